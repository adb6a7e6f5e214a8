/** Whatever the line does to the events, every client ends with the server's text. */
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { begin, cursor, type Heard, hear, join, type Transcript } from '../../../channels/web/transcript.ts'
import type { Cursor, Joined, Message } from '../../../runtime/gateway/protocol.ts'

const conversation = 'c'

/** A server's whole evening: what it said, and what it would answer to a join after each event. */
function evening(turns: { text: string; cuts: number[]; retracted: boolean }[]): {
  said: Heard[]
  joined: (after: number, from?: Cursor) => Joined
} {
  const said: Heard[] = []
  let seq = 0
  const durable = (name: string, payload: object) => said.push([name, { conversation, seq: ++seq, ...payload }])
  const stream = (turn: string, attempt: number, text: string, cuts: number[]) => {
    const edges = [0, ...new Set(cuts.map((cut) => cut % (text.length + 1)).sort((a, b) => a - b)), text.length]
    edges.forEach((offset, i) => {
      const piece = text.slice(offset, edges[i + 1] ?? offset)
      if (piece) said.push(['reply.delta', { conversation, turn, attempt, offset, text: piece } as Heard[1]])
    })
  }
  turns.forEach(({ text, cuts, retracted }, i) => {
    const turn = `t${i}`
    durable('message.accepted', { message: { id: `q${i}`, seq: seq + 1, role: 'user', text: 'q', at: 0 } })
    durable('turn.started', { turn, messages: [`q${i}`] })
    if (retracted) {
      stream(turn, 1, `not ${text}`, cuts)
      durable('reply.retracted', { turn, attempt: 1, reason: 'quality' })
    }
    stream(turn, 2, text, cuts)
    durable('reply.finished', {
      turn,
      attempt: 2,
      message: { id: `a${i}`, seq: seq + 1, role: 'assistant', turn, text, at: 0 },
      usage: { in: 0, out: 0 },
      cost: 0,
    })
    durable('turn.finished', { turn })
  })
  return { said, joined: (after, from) => answerTo(said.slice(0, after), from) }
}

/** Deltas of a reply that is over are no longer told; those of the reply in flight come as one `live`. */
function answerTo(told: Heard[], from?: Cursor): Joined {
  let live: Joined['live']
  const messages: Message[] = []
  for (const [name, payload] of told) {
    const { turn, attempt, text, message } = payload as { turn?: string; attempt?: number; text?: string; message?: Message }
    if (name === 'reply.delta')
      live = { turn: turn!, attempt: attempt!, text: (live?.turn === turn && live?.attempt === attempt ? live!.text : '') + text }
    if (name === 'reply.retracted' || name === 'reply.finished') live = undefined
    if (message) messages.push(message)
  }
  const durable = told.filter(([, { seq }]) => seq !== undefined)
  const missed = from && durable.filter(([, { seq }]) => seq! > from.seq)
  return {
    conversation,
    seq: durable.length,
    state: { value: 0, attention: 'automated' },
    messages,
    ...(live ? { live } : {}),
    ...(missed ? { missed } : {}),
  }
}

const turns = fc.array(
  fc.record({
    text: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }),
    cuts: fc.array(fc.nat(80), { maxLength: 12 }),
    retracted: fc.boolean(),
  }),
  { minLength: 1, maxLength: 4 },
)
const texts = (t: Transcript): string[] => t.messages.map(({ text }) => text)
const expected = (all: { text: string }[]): string[] => all.flatMap(({ text }) => ['q', text])

test('however the text is cut, it is assembled to the same answer without a fault', () => {
  fc.assert(
    fc.property(turns, (all) => {
      const t = evening(all).said.reduce((now, event) => hear(now, event), begin(conversation))
      assert.equal(texts(t), expected(all))
      assert.is(t.faults, 0)
      assert.not.ok(t.behind)
      assert.is(t.reply, undefined)
    }),
  )
})

test('duplicates at any later time change nothing', () => {
  fc.assert(
    fc.property(turns, fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 60 }), (all, echoes) => {
      const { said } = evening(all)
      let t = begin(conversation)
      said.forEach((event, i) => {
        t = hear(t, event)
        for (const [when, what] of echoes) if (when % said.length === i) t = hear(t, said[what % (i + 1)]!)
      })
      assert.equal(texts(t), expected(all))
      assert.is(t.faults, 0)
      assert.not.ok(t.behind)
      assert.is(t.reply, undefined)
    }),
  )
})

test('joins at any time, with or without the cursor, lead to the same answer', () => {
  fc.assert(
    fc.property(turns, fc.array(fc.tuple(fc.nat(), fc.boolean()), { maxLength: 20 }), (all, joins) => {
      const { said, joined } = evening(all)
      let t = begin(conversation)
      said.forEach((event, i) => {
        for (const [when, fresh] of joins) if (when % said.length === i) t = join(t, joined(i, fresh ? undefined : cursor(t)))
        t = hear(t, event)
      })
      assert.equal(texts(t), expected(all))
      assert.is(t.faults, 0)
      assert.not.ok(t.behind)
    }),
  )
})

test('losses, repeats and disorder are healed by joining again whenever the rules ask for it', () => {
  const fates = fc.array(fc.record({ lost: fc.boolean(), late: fc.nat(6), twice: fc.boolean() }), { minLength: 5, maxLength: 40 })
  fc.assert(
    fc.property(turns, fates, (all, fate) => {
      const { said, joined } = evening(all)
      const line = said.flatMap((event, i) => {
        const { lost, late, twice } = fate[i % fate.length]!
        const once = { event, at: i + late }
        return [...(lost ? [] : [once]), ...(twice ? [{ event, at: i + late + 3 }] : [])]
      })
      let t = begin(conversation)
      for (let now = 0; now < said.length + 10; now++) {
        for (const { event, at } of line) {
          if (at !== now) continue
          t = hear(t, event)
          if (!t.behind) continue
          t = join(t, joined(Math.min(now + 1, said.length), cursor(t)))
          if (t.behind) t = join(t, joined(Math.min(now + 1, said.length)))
        }
      }
      // The last loss is noticed by nobody until the next event or heartbeat: the next connection finds it.
      t = join(t, joined(said.length, cursor(t)))
      if (t.behind) t = join(t, joined(said.length))
      assert.equal(texts(t), expected(all))
      assert.not.ok(t.behind)
    }),
    { numRuns: 300 },
  )
})

test.run()
