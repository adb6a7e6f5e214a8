/** Every rule of the protocol that a server may break is broken here once, and the witness names it. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Joined } from '../../runtime/gateway/protocol.ts'
import type { Frame } from '../chaos/journal.ts'
import { type Counted, createTally, faults, keysOf } from './tally.ts'
import { createWitness } from './witness.ts'

const conversation = 'c'
const accepted = (seq: number, id = `q${seq}`): Frame => ['message.accepted', { conversation, seq, message: { id, seq, text: '?' } }]
const begun = (seq: number, turn: string, ...messages: string[]): Frame => ['turn.started', { conversation, seq, turn, messages }]
const words = (turn: string, attempt: number, offset: number, text: string): Frame => [
  'reply.delta',
  { conversation, turn, attempt, offset, text },
]
const finished = (seq: number, turn: string, attempt: number, text: string): Frame => [
  'reply.finished',
  { conversation, seq, turn, attempt, message: { id: `a${seq}`, seq, text } },
]
const retracted = (seq: number, turn: string, attempt: number): Frame => ['reply.retracted', { conversation, seq, turn, attempt }]
const ended = (seq: number, turn: string, how = 'finished'): Frame => [`turn.${how}`, { conversation, seq, turn }]

const joined = (seq: number, more: Partial<Joined> = {}): Joined => ({
  conversation,
  seq,
  state: { value: 'automated', attention: 'automated' },
  messages: [],
  ...more,
})
const missed = (...frames: Frame[]): Pick<Joined, 'missed'> => ({ missed: frames.map(([name, payload]) => [name, payload]) })

/** q1 is sent and acknowledged, answered by t1 with "Hello you", number by number. */
const sound: Frame[] = [
  accepted(1),
  begun(2, 't1', 'q1'),
  words('t1', 1, 0, 'Hel'),
  words('t1', 1, 3, 'lo you'),
  finished(3, 't1', 1, 'Hello you'),
  ended(4, 't1'),
]

function story({ acknowledged = true } = {}) {
  const tally = createTally()
  const witness = createWitness(conversation, tally)
  let at = 1_000
  witness.join(joined(0), at)
  const first = witness.ledger.sent('q1', '?', at)
  if (acknowledged) witness.ledger.acknowledged(first, 1, (at += 5))
  return {
    witness,
    first,
    tally,
    say: (id: string) => witness.ledger.sent(id, '?', at),
    hears(...frames: Frame[]) {
      for (const frame of frames) witness.hear(frame, (at += 10))
      return this
    },
    joins(answer: Joined) {
      witness.join(answer, (at += 10))
      return this
    },
    loses() {
      witness.lapse('lost')
      return this
    },
    /** Every fault and how often, once all is over. */
    ends(early = false) {
      witness.close(early)
      const { counts } = tally.part()
      return Object.fromEntries(keysOf(faults).flatMap((name) => (counts[name] ? [[name, counts[name]]] : [])))
    },
    counts: (name: Counted) => tally.part().counts[name],
  }
}

test('a sound story has no faults, and its times count from when the message was to be sent', () => {
  const s = story().hears(...sound)
  assert.equal(s.ends(), {})
  const { measures, counts } = s.tally.part()
  assert.equal([counts.sent, counts.acknowledged, counts.answered, counts.frames], [1, 1, 1, 2])
  assert.equal([measures.acknowledgement.max, measures.firstToken.max, measures.endToEnd.max], [5, 35, 65])
})

test('a number that is left out is a gap; nothing is read until the next join, which has it all', () => {
  const s = story().hears(accepted(1), words('t1', 1, 0, 'Hel'))
  assert.is(s.witness.isBehind(), false)
  s.hears(finished(3, 't1', 1, 'Hello you'), ended(4, 't1'))
  assert.is(s.witness.isBehind(), true)
  assert.equal(s.witness.cursor(), { seq: 1, turn: 't1', attempt: 1, offset: 3 })
  s.joins(joined(4, missed(begun(2, 't1', 'q1'), words('t1', 1, 3, 'lo you'), finished(3, 't1', 1, 'Hello you'), ended(4, 't1'))))
  assert.equal(s.ends(), { gaps: 1 })
})

test('words behind a hole are a gap, also where an attempt does not begin at its start', () => {
  assert.equal(
    story()
      .hears(...sound.slice(0, 3), words('t1', 1, 5, 'you'))
      .witness.isBehind(),
    true,
  )
  const s = story().hears(...sound.slice(0, 3), retracted(3, 't1', 1), words('t1', 2, 4, 'there'))
  s.joins(joined(5, missed(finished(4, 't1', 2, 'Hi, there'), ended(5, 't1'))))
  assert.equal(s.ends(), { gaps: 1 })
})

test('a replay that leaves a hole, or stops before its end, is a gap', () => {
  const hole = story().hears(accepted(1)).loses()
  hole.joins(joined(4, missed(ended(4, 't1'))))
  assert.is(hole.witness.isBehind(), true)
  assert.is(hole.counts('gaps'), 1)
  const short = story().hears(accepted(1)).loses()
  short.joins(joined(4, missed(begun(2, 't1', 'q1'))))
  assert.is(short.witness.isBehind(), true)
  assert.is(short.counts('gaps'), 1)
})

test('a conversation that stands further back than it stood has forgotten something', () => {
  const s = story()
    .hears(...sound)
    .loses()
    .joins(joined(2))
  assert.equal(s.ends(), { gaps: 1 })
})

test('what is told twice on one connection is a duplicate', () => {
  const [, start, hel] = sound as [Frame, Frame, Frame]
  assert.equal(
    story()
      .hears(...sound.slice(0, 2), start, ...sound.slice(2))
      .ends(),
    { duplicates: 1 },
  )
  assert.equal(
    story()
      .hears(...sound.slice(0, 3), hel, ...sound.slice(3))
      .ends(),
    { duplicates: 1 },
  )
  assert.equal(
    story()
      .hears(...sound.slice(0, 3), words('t1', 1, 2, 'llo you'), ...sound.slice(4))
      .ends(),
    { duplicates: 1 },
  )
})

test('what a join has brought may come once more by itself', () => {
  const s = story()
    .hears(...sound.slice(0, 3))
    .loses()
  s.joins(joined(3, missed(words('t1', 1, 3, 'lo'), words('t1', 1, 5, ' you'), finished(3, 't1', 1, 'Hello you'))))
  s.hears(finished(3, 't1', 1, 'Hello you'), ended(4, 't1'))
  assert.equal(s.ends(), {})
  const words_ = story()
    .hears(...sound.slice(0, 3))
    .loses()
  words_.joins(joined(2, { ...missed(words('t1', 1, 3, 'lo you')), live: { turn: 't1', attempt: 1, text: 'Hello you' } }))
  assert.equal(words_.hears(...sound.slice(3)).ends(), {})
})

test('what was told on another connection may be told once more on this one', () => {
  const event = story()
    .hears(...sound.slice(0, 5))
    .loses()
    .joins(joined(3, { missed: [] }))
  assert.equal(event.hears(...sound.slice(4)).ends(), {})
  const said = story()
    .hears(...sound.slice(0, 4))
    .loses()
    .joins(joined(2, { missed: [] }))
  assert.equal(said.hears(...sound.slice(3)).ends(), {})
  assert.equal(
    story()
      .hears(...sound.slice(0, 4), ...sound.slice(3))
      .ends(),
    { duplicates: 1 },
  )
})

test('what comes behind its successor is out of order', () => {
  const s = story().hears(accepted(1), words('t1', 1, 0, 'Hel'), finished(3, 't1', 1, 'Hello you'), begun(2, 't1', 'q1'))
  s.joins(joined(4, missed(...sound.slice(1, 2), words('t1', 1, 3, 'lo you'), ...sound.slice(4))))
  assert.equal(s.ends(), { gaps: 1, reorderings: 1 })
})

test('words of an attempt that is over are out of order, and change nothing', () => {
  const again = [words('t1', 2, 0, 'Good '), words('t1', 1, 3, 'lo'), words('t1', 2, 5, 'day')]
  const s = story().hears(...sound.slice(0, 3), retracted(3, 't1', 1), ...again, finished(4, 't1', 2, 'Good day'), ended(5, 't1'))
  assert.equal(s.ends(), { reorderings: 1 })
  assert.equal(
    story()
      .hears(...sound, words('t1', 1, 9, '!'))
      .ends(),
    { reorderings: 1 },
  )
  const unwithdrawn = story().hears(...sound.slice(0, 3), ...again, finished(3, 't1', 2, 'Good day'), ended(4, 't1'))
  assert.equal(unwithdrawn.ends(), { reorderings: 1 })
})

test('words of another turn before the end of the first are out of order', () => {
  const s = story().hears(...sound.slice(0, 3), words('t2', 1, 0, 'x'), finished(3, 't2', 1, 'x'))
  assert.is(s.counts('reorderings'), 1)
})

test('turns that answer in another order than messages were accepted are out of order', () => {
  const s = story()
  s.say('q2')
  s.hears(accepted(1), accepted(2), begun(3, 't1', 'q2'), ended(4, 't1'), begun(5, 't2', 'q1'), ended(6, 't2'))
  assert.is(s.counts('reorderings'), 1)
})

test('a reply that is finished with other words than were said differs, by a single character', () => {
  const differing = (...end: Frame[]) =>
    story()
      .hears(...sound.slice(0, 4), ...end, ended(4, 't1'))
      .ends()
  assert.equal(differing(finished(3, 't1', 1, 'Hello  you')), { differing: 1 })
  assert.equal(differing(finished(3, 't1', 1, 'Hello you ')), { differing: 1 })
  assert.equal(
    story()
      .hears(...sound.slice(0, 2), finished(3, 't1', 1, 'Hello you'), ended(4, 't1'))
      .ends(),
    { differing: 1 },
  )
})

test('words that are said again and are others differ, once for each reply', () => {
  const s = story()
    .hears(...sound.slice(0, 3))
    .loses()
  s.joins(joined(2, missed(words('t1', 1, 1, 'allo'))))
  s.hears(finished(3, 't1', 1, 'Hallo'), ended(4, 't1'))
  assert.equal(s.ends(), { differing: 1 })
})

test('a join that tells other words than were said differs', () => {
  const live = { turn: 't1', attempt: 1, text: 'Hallo' }
  assert.equal(
    story()
      .hears(...sound.slice(0, 3))
      .loses()
      .joins(joined(2, { missed: [], live }))
      .counts('differing'),
    1,
  )
  assert.equal(
    story()
      .hears(...sound.slice(0, 3))
      .loses()
      .joins(joined(2, { live }))
      .counts('differing'),
    1,
  )
})

test('a turn that is finished while its words are not differs', () => {
  assert.equal(
    story()
      .hears(...sound.slice(0, 4), ended(3, 't1'))
      .ends(),
    { differing: 1 },
  )
})

test('a replay may leave out the words of a reply that is over, if they begin as they were heard', () => {
  const replay = (text: string) =>
    story()
      .hears(...sound.slice(0, 3))
      .loses()
      .joins(joined(4, missed(finished(3, 't1', 1, text), ended(4, 't1'))))
      .ends()
  assert.equal(replay('Hello you'), {})
  assert.equal(replay('Hallo you'), { differing: 1 })
})

test('a message that two turns take up, or that is answered or accepted twice, is doubled', () => {
  assert.equal(
    story()
      .hears(...sound, begun(5, 't2', 'q1'))
      .ends(),
    { doubled: 1 },
  )
  const twice = [words('t1', 2, 0, 'Again'), finished(4, 't1', 2, 'Again'), ended(5, 't1')]
  assert.equal(
    story()
      .hears(...sound.slice(0, 5), ...twice)
      .ends(),
    { doubled: 1 },
  )
  assert.equal(
    story()
      .hears(...sound, ended(5, 't1'))
      .ends(),
    { doubled: 1 },
  )
  assert.equal(
    story()
      .hears(...sound, accepted(5, 'q1'))
      .ends(),
    { doubled: 1 },
  )
})

test('a message that is acknowledged and never comes to an end is lost', () => {
  assert.equal(story().ends(), { lost: 1 })
  assert.equal(
    story()
      .hears(...sound.slice(0, 5))
      .ends(),
    { lost: 1 },
  )
  assert.equal(
    story()
      .hears(accepted(1), begun(2, 't1', 'q1'), ended(3, 't1', 'failed'))
      .ends(),
    {},
  )
})

test('an acknowledgement that never comes is lost, even if the answer comes', () => {
  assert.equal(
    story({ acknowledged: false })
      .hears(...sound)
      .ends(),
    { lostAcknowledgements: 1 },
  )
  assert.equal(story({ acknowledged: false }).ends(), { lostAcknowledgements: 1 })
  const refused = story({ acknowledged: false })
  refused.witness.ledger.refused(refused.first)
  assert.equal(refused.ends(), {})
})

test('a stop that is promised stops a turn', () => {
  const stopped = (how: string) => {
    const s = story().hears(...sound.slice(0, 3))
    s.witness.stopPromised()
    return s.hears(finished(3, 't1', 1, 'Hel'), ended(4, 't1', how)).ends()
  }
  assert.equal(stopped('stopped'), {})
  assert.equal(stopped('finished'), { unstopped: 1 })
})

test('where a join jumps over events, nobody knows what it jumped over, and everybody what it tells', () => {
  const s = story()
    .hears(accepted(1), begun(2, 't1', 'q1'))
    .loses()
  s.joins(joined(900, { messages: [{ id: 'q1', seq: 1, role: 'user', text: '?', at: 0 }] }))
  assert.equal([s.ends(), s.counts('unfinished')], [{}, 1])
  const told = story()
    .hears(accepted(1), begun(2, 't1', 'q1'))
    .loses()
  told.joins(joined(900, { messages: [{ id: 'a', seq: 3, role: 'assistant', turn: 't1', text: 'Hello you', at: 0 }] }))
  assert.equal([told.ends(), told.counts('answered')], [{}, 1])
  const gone = story().hears(accepted(1)).loses()
  gone.joins(joined(900, { messages: [{ id: 'q0', seq: 1, role: 'user', text: '?', at: 0 }] }))
  assert.equal(gone.ends(), { lost: 1 })
})

test('what nobody waited for is not judged', () => {
  const s = story()
  assert.equal([s.ends(true), s.counts('unfinished')], [{}, 1])
})

test.run()
