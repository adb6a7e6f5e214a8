/** Two conversations whose words are said where they no longer live. Their pieces of work have the same number, as those of any two may. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { shardOf } from '../../../runtime/cluster/shards.ts'
import { createErrands } from '../../../runtime/cluster/errands.ts'
import { type Frame, roomOf } from '../../../runtime/cluster/bus.ts'
import type { Letter, Peer } from '../../../runtime/cluster/post.ts'
import type { Speaker, Speeches } from '../../../runtime/host/speech.ts'
import { silent } from '../../../runtime/watch/log.ts'
import { handClock } from '../../support/clock.ts'

const WORK = '4:1'
const heir: Peer = { node: 'b', life: 'b1' }
const speakerIn = (actor: string): Speaker => ({ tenant: 't', actor, turn: 't1', attempt: 1, work: WORK })
const wordsIn = (actor: string, offset: number, text: string): Frame => ({
  room: roomOf('t', actor),
  name: 'reply.delta',
  payload: { conversation: actor, turn: 't1', attempt: 1, offset, text },
  work: WORK,
})
const statusIn = (actor: string): Frame => ({
  room: roomOf('t', actor),
  name: 'agent.status',
  payload: { conversation: actor },
  work: WORK,
})

function node({ isOwner = false } = {}) {
  const clock = handClock()
  const sent: Letter[] = []
  const said = new Map<string, string>()
  const heard = new Map<string, string>()
  /** What watchers were told, in order: of words only that there were some. */
  const told: string[] = []
  const errors: string[] = []
  const over = new Set<string>()
  let isAtHand = true
  let fetching = Promise.resolve()
  const speeches: Pick<Speeches, 'speakers' | 'hear'> = {
    speakers: () => [...said].map(([actor, text]) => ({ place: speakerIn(actor), text: () => text })),
    hear({ actor }, offset, text) {
      const before = heard.get(actor) ?? ''
      if (offset > before.length) return false
      heard.set(actor, before + text.slice(before.length - offset))
      told.push('words')
      return true
    },
  }
  const errands = createErrands({
    membership: () => ({
      shardOf,
      voiceOf: () => (isOwner ? 1 : undefined),
      ownerOf: () => heir as never,
    }),
    engine: () => ({
      host: { wants: (_, actor) => (isAtHand ? !over.has(actor) : undefined), meet: () => fetching },
      speeches: speeches as Speeches,
    }),
    send: (_, letter) => void sent.push(letter),
    tell: ({ name }) => void told.push(name),
    clock,
    log: { ...silent, error: (_, sentence) => void errors.push(sentence) },
  })
  return {
    errands,
    clock,
    said,
    heard,
    told,
    errors,
    /** Conversations whose work nobody waits for any more. */
    over,
    atHand: () => {
      isAtHand = true
    },
    /** The actor is not at hand, and cannot be fetched. */
    broken() {
      isAtHand = false
      fetching = Promise.reject(new Error('the store is away'))
      fetching.catch(() => {})
    },
    /** The actor is not at hand; what is answered ends its fetching, before whoever fetched it knows. */
    gone() {
      isAtHand = false
      let fetched = () => {}
      fetching = new Promise((resolve) => {
        fetched = resolve
      })
      return async (meanwhile = () => {}) => {
        isAtHand = true
        fetched()
        meanwhile()
        await clock.pass(1)
      }
    },
    /** What was sent since the last time: the conversation, and what of it. */
    sent: () =>
      sent
        .splice(0)
        .map(({ type, room, actor, payload }) => `${type} ${room ?? actor} ${(payload as { text?: string })?.text ?? ''}`.trim()),
  }
}

test('a new owner is told of every conversation, whatever number its work has', () => {
  const { errands, said, sent } = node()
  said.set('c1', 'one').set('c2', 'two')
  errands.introduce()
  assert.equal(sent(), ['said t/c1 one', 'said t/c2 two'])
  errands.introduce()
  assert.equal(sent(), [])
})

test('words of one conversation do not count for another', () => {
  const { errands, said, sent } = node()
  said.set('c1', 'one').set('c2', 'two')
  errands.carry(wordsIn('c1', 3, '!'), 7)
  assert.equal(sent(), ['said t/c1 !'])
  errands.introduce()
  assert.equal(sent(), ['said t/c2 two'])
})

test('whoever has missed words of one conversation is told of that one alone', () => {
  const { errands, said, sent } = node()
  said.set('c1', 'one').set('c2', 'two')
  errands.introduce()
  sent()
  errands.missed(heir, { room: roomOf('t', 'c2'), work: WORK })
  errands.introduce()
  assert.equal(sent(), ['said t/c2 two'])
  errands.missed(heir)
  assert.equal(sent(), ['said t/c1 one', 'said t/c2 two'])
})

test('a speaker that has stopped is forgotten alone', () => {
  const { errands, said, sent } = node()
  said.set('c1', 'one').set('c2', 'two')
  errands.introduce()
  errands.stopped(speakerIn('c1'), {})
  sent()
  errands.introduce()
  assert.equal(sent(), ['said t/c1 one'])
})

test('an owner asks once for words that are missing, however many pieces come before them', async () => {
  const { errands, sent, heard, clock } = node({ isOwner: true })
  for (const offset of [3, 4, 5]) errands.said(heir, wordsIn('c1', offset, '.'))
  errands.said(heir, wordsIn('c2', 3, '.'))
  assert.equal(sent(), ['words.missed t/c1', 'words.missed t/c2'])
  errands.said(heir, wordsIn('c1', 0, 'one...'))
  assert.equal([heard.get('c1'), sent()], ['one...', []])
  // Another gap, and one whose answer does not come.
  errands.said(heir, wordsIn('c1', 9, '.'))
  assert.equal(sent(), ['words.missed t/c1'])
  await clock.pass(500)
  errands.said(heir, wordsIn('c1', 10, '.'))
  assert.equal(sent(), ['words.missed t/c1'])
})

test('what is said while an owner fetches the actor waits for it, in order', async () => {
  const { errands, sent, gone, heard } = node({ isOwner: true })
  const fetched = gone()
  errands.said(heir, wordsIn('c1', 0, 'one'))
  for (const offset of [3, 4]) errands.said(heir, wordsIn('c1', offset, '.'))
  assert.equal(heard, new Map())
  await fetched(() => errands.said(heir, wordsIn('c1', 5, '.')))
  errands.said(heir, wordsIn('c1', 6, '.'))
  assert.equal([heard.get('c1'), sent()], ['one....', []])
})

test('an owner that has not heard the beginning while it fetched the actor asks once', async () => {
  const { errands, sent, gone } = node({ isOwner: true })
  const fetched = gone()
  for (const offset of [3, 4]) errands.said(heir, wordsIn('c1', offset, '.'))
  await fetched()
  errands.said(heir, wordsIn('c1', 5, '.'))
  assert.equal(sent(), ['words.missed t/c1'])
})

test('of what nobody can take in only the first pieces wait, and the rest is asked for', async () => {
  const { errands, sent, gone, heard } = node({ isOwner: true })
  const fetched = gone()
  for (let offset = 0; offset < 1_000; offset++) errands.said(heir, wordsIn('c1', offset, '.'))
  await fetched()
  assert.equal([heard.get('c1')?.length, sent()], [64, []])
  errands.said(heir, wordsIn('c1', 1_000, '.'))
  assert.equal(sent(), ['words.missed t/c1'])
})

test('a status that is said behind words is told behind them, though it comes while they wait', async () => {
  const { errands, gone, told, clock } = node({ isOwner: true })
  const fetched = gone()
  errands.said(heir, wordsIn('c1', 0, 'one'))
  errands.said(heir, statusIn('c1'))
  await clock.pass(1)
  assert.equal(told, [])
  await fetched()
  assert.equal(told, ['words', 'agent.status'])
})

test('work that the fetched actor waits for no more is cancelled', async () => {
  const { errands, gone, over, heard, sent } = node({ isOwner: true })
  const fetched = gone()
  errands.said(heir, wordsIn('c1', 0, 'one'))
  over.add('c1')
  await fetched()
  assert.equal([sent(), heard], [['cancel c1'], new Map()])
})

test('where an actor comes to hand by another way its words are heard at once, and first what has waited', async () => {
  const { errands, gone, atHand, heard, sent } = node({ isOwner: true })
  gone()
  errands.said(heir, wordsIn('c1', 0, 'one'))
  atHand()
  errands.said(heir, wordsIn('c1', 3, '.'))
  assert.equal([heard.get('c1'), sent()], ['one.', []])
})

const unreadable = (actor: string): Frame => ({ ...wordsIn(actor, 0, ''), payload: null as never })

test('a piece that nobody can read ends nothing but itself', async () => {
  const { errands, gone, heard, told, errors, sent } = node({ isOwner: true })
  const fetched = gone()
  errands.said(heir, unreadable('c1'))
  errands.said(heir, statusIn('c1'))
  errands.said(heir, wordsIn('c1', 0, 'one'))
  await fetched()
  assert.equal([told, heard.get('c1'), errors.length], [['agent.status', 'words'], 'one', 1])
  errands.said(heir, unreadable('c1'))
  assert.equal([errors.length, sent()], [2, []])
})

test('nor does one that has waited end what comes behind it', async () => {
  const { errands, gone, atHand, heard, told, errors } = node({ isOwner: true })
  gone()
  errands.said(heir, unreadable('c1'))
  errands.said(heir, statusIn('c1'))
  atHand()
  errands.said(heir, wordsIn('c1', 0, 'one'))
  assert.equal([told, heard.get('c1')], [['agent.status', 'words'], 'one'])
  assert.equal(errors, ['what is said elsewhere for this actor could not be heard'])
})

test('an actor that cannot be fetched is no end of anything', async () => {
  const { errands, broken, atHand, heard, errors, clock } = node({ isOwner: true })
  broken()
  errands.said(heir, wordsIn('c1', 0, 'one'))
  await clock.pass(1)
  assert.equal(errors, ['what is said elsewhere for this actor could not be heard'])
  atHand()
  errands.said(heir, wordsIn('c1', 0, 'one'))
  assert.is(heard.get('c1'), 'one')
})

test('where an actor is not yet at hand once fetched it is looked for once more, and what has waited is heard', async () => {
  const { errands, gone, atHand, heard, sent, clock } = node({ isOwner: true })
  const fetched = gone()
  errands.said(heir, wordsIn('c1', 0, 'one'))
  await fetched(() => void gone())
  assert.equal([heard.get('c1'), sent()], [undefined, []])
  atHand()
  await clock.pass(500)
  assert.equal([heard.get('c1'), sent()], ['one', []])
})

test('where it is not at hand then either, its words are asked for', async () => {
  const { errands, gone, sent, clock } = node({ isOwner: true })
  const fetched = gone()
  errands.said(heir, wordsIn('c1', 0, 'one'))
  await fetched(() => void gone())
  await clock.pass(500)
  assert.equal(sent(), ['words.missed t/c1'])
})

test.run()
