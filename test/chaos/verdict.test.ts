/** The judge is judged: a true story passes, and each wrong that is done to it is found. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Generation } from './double.ts'
import type { Entry, Frame, Payload, Talk } from './journal.ts'
import type { Stored } from './stored.ts'
import { type Kept, judge } from './verdict.ts'

const words = (number: number, count: number) => Array.from({ length: count }, (_, at) => `g${number}w${at} `).join('')

/** A message, killed in the middle of its answer, answered by the next life; and a second message. */
function story() {
  const conversation = 'c'
  const [whole, second] = [words(2, 5), words(3, 4)]
  const reply = (turn: string, attempt: number, text: string, seq: number) => ({ id: `c.${turn}.${attempt}`, text, seq })
  const frames: Frame[] = [
    ['message.accepted', { seq: 1, message: { id: 'm1', text: 'one?', seq: 1 } }],
    ['turn.started', { seq: 2, turn: 't1', messages: ['m1'] }],
    ['reply.delta', { turn: 't1', attempt: 1, offset: 0, text: 'g1w0 ' }],
    ['reply.delta', { turn: 't1', attempt: 1, offset: 5, text: 'g1w1 ' }],
    ['reply.retracted', { seq: 3, turn: 't1', attempt: 1 }],
    ['reply.delta', { turn: 't1', attempt: 2, offset: 0, text: whole }],
    ['reply.finished', { seq: 4, turn: 't1', attempt: 2, message: reply('t1', 2, whole, 4) }],
    ['turn.finished', { seq: 5, turn: 't1' }],
    ['message.accepted', { seq: 6, message: { id: 'm2', text: 'two?', seq: 6 } }],
    ['turn.started', { seq: 7, turn: 't2', messages: ['m2'] }],
    ['reply.delta', { turn: 't2', attempt: 1, offset: 0, text: second }],
    ['reply.finished', { seq: 8, turn: 't2', attempt: 1, message: reply('t2', 1, second, 8) }],
    ['turn.finished', { seq: 9, turn: 't2' }],
  ]
  const heard = (from: number, to: number): Entry[] => frames.slice(from, to).map((frame) => ({ t: 'heard', at: 0, frame }))
  const talk: Talk = {
    conversation,
    door: 'socket',
    entries: [
      { t: 'sent', at: 0, id: 'm1', text: 'one?', tries: 1 },
      ...heard(0, 4),
      { t: 'lost', at: 0, why: 'transport close' },
      { t: 'joined', at: 0, after: { seq: 2, turn: 't1', attempt: 1, offset: 10 }, seq: 3, missed: frames.slice(4, 5) },
      { t: 'accepted', at: 0, id: 'm1', seq: 1 },
      ...heard(5, 8),
      { t: 'sent', at: 0, id: 'm2', text: 'two?', tries: 1 },
      { t: 'accepted', at: 0, id: 'm2', seq: 6 },
      ...heard(8, 13),
    ],
  }
  const stored: Stored = {
    messages: [
      { conversation, seq: 1, id: 'm1', role: 'user', text: 'one?', turn: null },
      { conversation, seq: 4, id: 'c.t1.2', role: 'assistant', text: whole, turn: 't1' },
      { conversation, seq: 6, id: 'm2', role: 'user', text: 'two?', turn: null },
      { conversation, seq: 8, id: 'c.t2.1', role: 'assistant', text: second, turn: 't2' },
    ],
    events: frames.flatMap(([name, { seq, ...payload }]) => (seq === undefined ? [] : [{ conversation, seq, name, payload }])),
    calls: [
      { conversation, turn: 't1', agent: 'admin', tokens: 0 },
      { conversation, turn: 't1', agent: 'director', tokens: 5 },
      { conversation, turn: 't2', agent: 'director', tokens: 4 },
    ],
    conversations: [{ id: conversation, seq: 9 }],
    left: { effects: 0, timers: 0, inbox: 0, deadLetters: 0, chunks: 0 },
  }
  const said = (number: number, life: number, ref: string, text: string): Generation => ({
    world: 'w',
    life,
    ref,
    number,
    text,
    tokens: text.split(' ').length - 1,
    at: 0,
  })
  const generations = [said(1, 1, 'm1', words(1, 9)), said(2, 2, 'm1', whole), said(3, 2, 'm2', second)]
  return { talks: [talk], stored, generations }
}

interface Story extends ReturnType<typeof story> {
  talk: Talk
  /** The payload of the nth frame of this name that was heard live. */
  frame(name: string, nth?: number): Payload
}

function found(wrong: (story: Story) => void = () => {}) {
  const told = structuredClone(story())
  const [talk] = told.talks as [Talk]
  const frames = (name: string) => talk.entries.flatMap((entry) => (entry.t === 'heard' && entry.frame[0] === name ? [entry.frame[1]] : []))
  wrong({ ...told, talk, frame: (name, nth = 0) => frames(name)[nth] as Payload })
  return judge(told)
}

test('a true story with a kill in it passes, and is counted', () => {
  const { violations, tally } = found()
  assert.equal(violations, [])
  assert.equal(tally, { answered: 2, stopped: 0, failed: 0, replies: 2, retracted: 1, generations: 3 })
})

const wrongs: [what: string, promise: Kept, wrong: (story: Story) => void][] = [
  ['an acknowledged message is lost', 'loss', ({ stored }) => void stored.messages.splice(2, 1)],
  ['a turn never ends', 'loss', ({ stored }) => void (stored.events.pop(), (stored.conversations[0] = { id: 'c', seq: 8 }))],
  ['a finished turn has no answer', 'loss', ({ stored }) => void stored.messages.splice(3, 1)],
  ['an answer is never heard', 'loss', ({ talk }) => void talk.entries.splice(-3)],
  ['a message is set aside', 'loss', ({ talk }) => void talk.entries.push({ t: 'refused', at: 0, id: 'm2', code: 'step.failed' })],
  [
    'a message is answered twice',
    'once',
    ({ stored }) =>
      void stored.messages.push({ conversation: 'c', seq: 9, id: 'c.t2.2', role: 'assistant', text: words(3, 4), turn: 't2' }),
  ],
  ['a message has two turns', 'once', ({ stored }) => void (stored.events[6]!.payload.messages = ['m1', 'm2'])],
  ['a turn ends twice', 'once', ({ stored }) => void (stored.events[7] = { ...stored.events[7]!, name: 'turn.failed' })],
  ['a message is accepted under two numbers', 'once', ({ talk }) => void talk.entries.push({ t: 'accepted', at: 0, id: 'm1', seq: 3 })],
  ['a message is kept that nobody sent', 'once', ({ stored }) => void (stored.messages[2]!.id = 'm3')],
  ['an event is missing', 'order', ({ stored }) => void stored.events.splice(3, 1)],
  [
    'two messages are answered in the wrong order',
    'order',
    ({ stored }) => {
      stored.events[1]!.payload.messages = ['m2']
      stored.events[6]!.payload.messages = ['m1']
    },
  ],
  ['an event is told twice', 'order', ({ talk }) => void talk.entries.push(talk.entries.at(-1)!)],
  ['an event is not told', 'order', ({ talk }) => void talk.entries.splice(-5, 1)],
  [
    'a byte of an answer is changed in the store',
    'bytes',
    ({ stored }) => void (stored.messages[3]!.text = words(3, 4).replace('w2', 'w２')),
  ],
  [
    'a byte of an answer is changed on its way',
    'bytes',
    ({ frame }) => void (frame('reply.delta', 3).text = `${words(3, 4).slice(0, -1)}\u00a0`),
  ],
  ['an answer loses its end', 'bytes', ({ stored }) => void (stored.messages[3]!.text = words(3, 3))],
  ['a delta is lost', 'bytes', ({ frame }) => void (frame('reply.delta', 2).offset = 3)],
  ['a delta overlaps with other words', 'bytes', ({ frame }) => void (frame('reply.delta', 1).offset = 2)],
  [
    'two attempts are mixed without a word',
    'bytes',
    ({ talk }) => void ((talk.entries.find(({ t }) => t === 'joined') as Extract<Entry, { t: 'joined' }>).missed = []),
  ],
  [
    'two generations are mixed in one answer',
    'bytes',
    ({ stored, frame }) => {
      const mixed = words(2, 2) + words(1, 5).slice(10)
      stored.messages[1]!.text = mixed
      frame('reply.delta', 2).text = mixed
      ;(frame('reply.finished').message as { text: string }).text = mixed
    },
  ],
  ['an answer belongs to another message', 'bytes', ({ generations }) => void (generations[2]!.ref = 'm1')],
  ['a message is kept with another text', 'bytes', ({ stored }) => void (stored.messages[2]!.text = 'two')],
  ['the end of a turn is not heard', 'live', ({ talk }) => void talk.entries.pop()],
  ['one life buys an answer twice', 'cost', ({ generations }) => void generations.push({ ...generations[1]!, number: 4 })],
  ['an answer is booked twice', 'cost', ({ stored }) => void stored.calls.push(stored.calls[1]!)],
  ['an answer is not in the books', 'cost', ({ stored }) => void stored.calls.pop()],
  ['work is left', 'rest', ({ stored }) => void (stored.left.chunks = 2)],
]

for (const [what, promise, wrong] of wrongs)
  test(`it is found when ${what}`, () => {
    const { violations } = found(wrong)
    assert.ok(
      violations.some((one) => one.promise === promise),
      JSON.stringify(violations),
    )
  })

test('it is found when two messages of one connection change places', () => {
  const swapped = found(({ talk, stored }) => {
    talk.entries = talk.entries.filter(({ t }) => t !== 'lost')
    ;[stored.messages[0]!.seq, stored.messages[2]!.seq] = [6, 1]
  })
  assert.ok(swapped.violations.some(({ promise, what }) => promise === 'order' && /was sent after/.test(what)))
})

test('what the double spoiled itself may be bought again', () => {
  assert.equal(found(({ generations }) => void generations.push({ ...generations[1]!, number: 4, fault: 'cut' })).violations, [])
})

test('over server-sent events the text is put together from its lines, and a hole is found', () => {
  const line = (id: string, data: object): Entry => ({ t: 'line', at: 0, message: 'm1', id, data: { session_id: 'c', ...data } })
  const read = (entries: Entry[]) => {
    const { stored, generations } = story()
    const talk: Talk = { conversation: 'c', door: 'sse', entries: [{ t: 'sent', at: 0, id: 'm1', text: 'one?', tries: 1 }, ...entries] }
    stored.messages.splice(2)
    stored.events.splice(5)
    stored.conversations = [{ id: 'c', seq: 5 }]
    return judge({ talks: [talk], stored, generations }).violations
  }
  const whole = words(2, 5)
  const lines = [
    line('2.t1.1.5', { delta: 'g1w0 ' }),
    line('3.t1.1.0', { delta: '', retracted: true }),
    line('3.t1.2.10', { delta: whole.slice(0, 10) }),
    line(`3.t1.2.${whole.length}`, { delta: whole.slice(10) }),
    line(`5.t1.2.${whole.length}`, { delta: '', finished: true }),
  ]
  assert.equal(read(lines), [])
  for (const missing of [1, 2, 3, 4]) assert.ok(read(lines.toSpliced(missing, 1)).length > 0, `line ${missing}`)
})

test.run()
