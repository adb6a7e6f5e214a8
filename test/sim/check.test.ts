/** The checker's own test: one sound conversation, broken in one place at a time, as only a faulty program could leave it. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createHeart } from '../support/heart.ts'
import { sorted } from '../support/samples.ts'
import { freshStore } from '../support/store.ts'
import { until } from '../support/until.ts'
import { within } from '../support/within.ts'
import { check } from './check.ts'
import type { Generation } from './provider.ts'
import { readStored } from './stored.ts'
import type { SimStore } from './store.ts'
import { createWitness } from './witness.ts'
import { chatId } from './homes.ts'
import type { Ended } from './world.ts'

const { db } = await freshStore()
const conversation = chatId(0)
const asked = ['why is the sky blue? #c0m1', 'and the sea? #c0m2']
const answer = 'Because of Rayleigh scattering.'

/** What a real node leaves behind of two turns. */
async function lived() {
  const heart = createHeart({ db, fill: () => ({ classify: async () => sorted('trivial') }) })
  const watched = heart.watch(conversation)
  for (const [at, text] of asked.entries()) {
    await heart.say(conversation, `m${at + 1}`, text)
    await until(() => watched.of('turn.finished').length === at + 1)
  }
  await within(10_000, heart.engine.stop(0))
  return readStored({ ask: (query: string) => db.sql.unsafe(query) } as unknown as SimStore)
}

const stored = JSON.parse(JSON.stringify(await lived())) as Awaited<ReturnType<typeof readStored>>

/** The whole of it as the journals of a world that went well tell it. */
function scene() {
  const rows = structuredClone(stored)
  const generations = asked.map((text, at) => ({
    n: at + 1,
    marks: [text.slice(-5)],
    text: answer,
    end: 'whole',
    out: 5,
    disowned: false,
    over: 0,
  })) as unknown as Generation[]
  const messages = rows.messages.filter(({ role }) => role === 'user')
  const sent = new Map(
    messages.map(({ id, text, seq }) => [id, { id, text, at: 0, accepted: 0, seq } as { seq?: number; refused?: string }]),
  )
  const replies = rows.messages.filter(({ role }) => role === 'assistant')
  const finished = new Map(replies.map(({ turn, text }) => [turn as string, text]))
  const transcript: { faults: number; messages: { id: string; text: string }[]; reply?: object } = {
    faults: 0,
    messages: structuredClone(rows.messages),
  }
  const tab = {
    chat: 0,
    tab: 0,
    label: 'tab0.0',
    client: { transcript },
    journal: { sent, finished, complaints: [] as string[], shorter: [] as object[], stops: () => 0 },
  }
  return {
    rows,
    generations,
    tab,
    world: {
      story: { chats: [{ tabs: 1 }], residents: 1 },
      tabs: [tab],
      providers: { journal: generations },
      kills: 0,
      restless: '',
      complaints: [] as string[],
      seconds: 1,
      holds: { rings: 0, residents: 1, sockets: 1, voices: 0 } as Record<string, number>,
    },
  }
}
type Scene = ReturnType<typeof scene>

async function verdict(harm: (scene: Scene) => unknown): Promise<string[]> {
  const made = scene()
  harm(made)
  const { rows } = made
  const tables = { messages: /from messages/, events: /from events/, journal: /from journal/, actors: /from actors/, usage: /from usage/ }
  const ask = async (query: string) =>
    rows[(Object.keys(tables) as (keyof typeof tables)[]).find((table) => tables[table].test(query)) ?? 'letters']
  return check(made.world as unknown as Ended, { ask } as unknown as SimStore)
}

test('what went well is well', async () => {
  assert.equal(await verdict(() => {}), [])
})

const event = ({ rows }: Scene, name: string, nth = 0) => rows.events.filter((one) => one.name === name)[nth] as (typeof rows.events)[0]
/** Told once more at the end, under the next number. */
const again = (made: Scene, name: string, more: object = {}) => {
  const one = event(made, name)
  made.rows.events.push({ ...one, seq: made.rows.events.length + 1, payload: { ...one.payload, ...more } })
}

const harms: [invariant: string, what: string, harm: (made: Scene) => unknown][] = [
  ['I1 no loss', 'a message that was acknowledged is gone', ({ rows }) => rows.messages.shift()],
  ['I1 no loss', 'a message that was acknowledged belongs to no turn', (made) => (event(made, 'turn.started').payload.messages = [])],
  ['I1 no loss', 'a turn has no end', (made) => (event(made, 'turn.finished').name = 'conversation.state')],
  ['I1 no loss', 'an event was set aside', ({ rows }) => rows.letters.push({ error: 'it failed' })],
  ['I2 one answer', 'a message belongs to two turns', (made) => (event(made, 'turn.started', 1).payload.messages = ['m1', 'm2'])],
  ['I2 one answer', 'a turn has two replies', (made) => again(made, 'reply.finished')],
  ['I2 one answer', 'a turn ends twice', (made) => again(made, 'turn.finished')],
  [
    'I3 order',
    'the second message is answered first',
    (made) => {
      event(made, 'turn.started', 0).payload.messages = ['m2']
      event(made, 'turn.started', 1).payload.messages = ['m1']
    },
  ],
  ['I4 single writer', 'an event is missing', ({ rows }) => rows.events.splice(3, 1)],
  ['I4 single writer', 'a step is missing', ({ rows }) => rows.journal.splice(1, 1)],
  ['I4 single writer', 'the last step is missing', ({ rows }) => rows.journal.pop()],
  ['I4 single writer', 'a step stands twice', ({ rows }) => rows.journal.push({ ...rows.journal.at(-1)! })],
  ['I4 single writer', 'the state is another one', ({ rows }) => (rows.actors[0]!.tree.seq += 1)],
  ['I4 single writer', 'the actor is gone', ({ rows }) => rows.actors.pop()],
  ['I5 stream', 'a reply is stored with one letter more', ({ rows }) => (rows.messages[1]!.text += '!')],
  ['I5 stream', 'a tab shows one message less', ({ tab }) => tab.client.transcript.messages.pop()],
  ['I5 stream', 'a tab shows them in another order', ({ tab }) => tab.client.transcript.messages.reverse()],
  ['I5 stream', 'a tab counts a fault', ({ tab }) => tab.client.transcript.faults++],
  ['I5 stream', 'a tab heard another text', ({ tab }) => tab.journal.finished.set([...tab.journal.finished.keys()][0]!, 'Because.')],
  ['I5 stream', 'the witness complains', ({ tab }) => tab.journal.complaints.push('a hole')],
  [
    'I5 stream',
    'words are gone that no node took along',
    ({ tab }) => tab.journal.shorter.push({ turn: 't1', attempt: 1, sentence: 'less' }),
  ],
  ['I5 stream', 'no provider said it', ({ generations }) => (generations[0]!.text = 'Nobody knows.')],
  ['I7 bounded', 'a voice is left', ({ world }) => (world.holds.voices = 1)],
  ['I7 bounded', 'timers are left', ({ world }) => (world.holds.rings = 100)],
  ['I7 bounded', 'residents are too many', ({ world }) => (world.holds.residents = 2)],
  ['I8 liveness', 'it does not come to rest', ({ world }) => (world.restless = '1 rows in effects')],
  ['I8 liveness', 'the log has an error', ({ world }) => world.complaints.push('the log says: no')],
  ['I8 liveness', 'a tab still shows a reply in flight', ({ tab }) => (tab.client.transcript.reply = {})],
  ['I9 cost', 'an answer was not billed', ({ rows }) => rows.usage.splice(0, 1)],
  ['I9 cost', 'an answer was billed for another sum', ({ rows }) => (rows.usage[0]!.out = 4)],
  ['I9 cost', 'an answer was billed twice', ({ rows }) => rows.usage.push({ ...rows.usage[0]! })],
  [
    'I9 cost',
    'an answer was billed twice, in place of a generation that a crash took with it',
    (made) => {
      made.world.kills = 1
      made.generations.push({ ...made.generations[0]!, n: 3 })
      made.rows.usage.push({ ...made.rows.usage.find(({ turn }) => turn === made.rows.usage[1]?.turn)! })
    },
  ],
  ['I9 cost', 'a turn was written twice for no reason', ({ generations }) => generations.push({ ...generations[0]!, n: 3 })],
  [
    'I9 cost',
    'a draft that was withdrawn was not billed',
    (made) => {
      made.generations.unshift({ ...made.generations[0]!, n: 3, text: 'Nobody knows.', out: 7 })
      again(made, 'turn.classified')
      made.rows.events.at(-1)!.name = 'reply.retracted'
      made.rows.events.at(-1)!.payload.turn = event(made, 'turn.started').payload.turn as string
    },
  ],
  [
    'I11 honest failure',
    'a sender never heard what became of it',
    ({ tab }) => tab.journal.sent.set('m9', { id: 'm9', text: 'lost' } as object),
  ],
  ['I11 honest failure', 'a stop was acknowledged and nothing stopped', ({ tab }) => (tab.journal.stops = () => 1)],
  [
    'I11 honest failure',
    'the provider spoke on behind a stop',
    (made) => {
      const end = event(made, 'turn.finished')
      end.name = 'turn.stopped'
      made.generations[0]!.over = end.at + 60_000
    },
  ],
  ['law 5', 'an agent answers while a person has it', ({ rows }) => (rows.events[0]!.name = 'operator.joined')],
]
for (const [invariant, what, harm] of harms)
  test(`it sees that ${what}`, async () => {
    const found = await verdict(harm)
    assert.ok(
      found.some((sentence) => sentence.startsWith(`${invariant}:`)),
      `${invariant}: ${found.join('; ') || 'nothing found'}`,
    )
  })

test('words may die with the node that said them', async () => {
  const found = await verdict((made) => {
    made.tab.journal.shorter.push({ turn: 't1', attempt: 1, sentence: 'less' })
    again(made, 'turn.classified', { turn: 't1', attempt: 1, reason: 'node.lost' })
    made.rows.events.at(-1)!.name = 'reply.retracted'
  })
  assert.not.ok(
    found.some((sentence) => sentence.startsWith('I5')),
    found.join('; '),
  )
})

// The witness ---------------------------------------------------------------------------------------------------------------

function tabThat(...heard: [name: string, payload: object][]) {
  const { witness, complaints } = createWitness(
    'tab',
    () => 0,
    () => {},
  )
  witness.answered(
    'conversation.join',
    {},
    { ok: true, conversation, seq: 0, state: { value: 'automated', attention: 'automated' }, messages: [] },
  )
  for (const [name, payload] of heard) witness.heard(name, payload)
  return complaints
}
const delta = (offset: number, text: string, attempt = 1): [string, object] => ['reply.delta', { turn: 't1', attempt, offset, text }]
const whole: [string, object] = ['reply.finished', { seq: 1, turn: 't1', attempt: 1, message: { text: 'ab' } }]

test('the witness notes a reply of which it is given less than it has heard, and complains of another one', () => {
  for (const [text, notes, complaints] of [
    ['ab', 0, 0],
    ['a', 1, 0],
    ['x', 0, 1],
  ] as const) {
    const one = createWitness(
      'tab',
      () => 0,
      () => {},
    )
    const answer = { ok: true, conversation, seq: 0, state: { value: 'automated', attention: 'automated' }, messages: [] }
    one.witness.answered('conversation.join', {}, answer)
    one.witness.heard(...delta(0, 'ab'))
    one.witness.answered('conversation.join', {}, { ...answer, missed: [], live: { turn: 't1', attempt: 1, text } })
    assert.equal([one.shorter.length, one.complaints.length], [notes, complaints])
  }
})

test('the witness takes what a good node tells, also what it tells twice', () => {
  assert.equal(tabThat(delta(0, 'a'), delta(0, 'ab'), whole), [])
})

for (const [what, heard] of Object.entries({
  'a hole between two deltas': [delta(0, 'a'), delta(2, 'c')],
  'deltas in the wrong order': [delta(1, 'b'), delta(0, 'a')],
  'another text in the same place': [delta(0, 'a'), delta(0, 'b')],
  'words of an attempt that was left': [delta(0, 'a', 2), delta(0, 'a', 1)],
  'words behind the end': [delta(0, 'ab'), whole, delta(2, 'c')],
  'words of an attempt that was withdrawn': [delta(0, 'a'), ['reply.retracted', { seq: 1, turn: 't1', attempt: 1 }], delta(1, 'b')],
  'an end that is not what was heard': [delta(0, 'a'), whole],
  'an event twice': [delta(0, 'ab'), whole, whole],
  'an agent that speaks while a person has it': [['operator.joined', { seq: 1, name: 'Ada' }], delta(0, 'a')],
} satisfies Record<string, [string, object][]>))
  test(`the witness complains of ${what}`, () => {
    assert.is(tabThat(...heard).length, 1)
  })

test.after(() => db.close())
test.run()
