import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { memoryBus } from '../../../runtime/cluster/bus.memory.ts'
import { createPublisher } from '../../../runtime/host/publish.ts'
import { createSpeeches } from '../../../runtime/host/speech.ts'
import { createWheel } from '../../../runtime/host/wheel.ts'
import type { Chunk } from '../../../sql/chunks.ts'
import { handClock, settled } from '../../support/clock.ts'
import { within } from '../../support/within.ts'

const place = (attempt = 1, turn = 't1') => ({ tenant: 't', actor: 'c', turn, attempt })

function stage() {
  const clock = handClock()
  const bus = memoryBus()
  const heard: { attempt: number; offset: number; text: string }[] = []
  const kept: Chunk[] = []
  const forgotten: string[] = []
  bus.watch('t/c', ({ payload }) => void heard.push(payload as never))
  const chunks = {
    open: (attempt: Omit<Chunk, 'start' | 'text'>) => (start: number, text: string) => void kept.push({ ...attempt, start, text }),
    forget: ({ turn }: { turn: string }) => void forgotten.push(turn),
    disown() {},
    inherit() {},
    settle: async () => {},
  }
  const speeches = createSpeeches({ bus, chunks, clock, wheel: createWheel(clock) })
  return {
    bus,
    clock,
    speeches,
    heard,
    kept,
    forgotten,
    text: (attempt = 1) =>
      heard
        .filter((one) => one.attempt === attempt)
        .map(({ text }) => text)
        .join(''),
  }
}

test('what is said is heard and kept, numbered by its offset', () => {
  const { speeches, heard, kept, clock } = stage()
  const voice = speeches.open(place())
  voice.say('Because ')
  voice.say('of')
  clock.move(50)
  assert.equal(
    heard.map(({ offset, text }) => [offset, text]),
    [
      [0, 'Because '],
      [8, 'of'],
    ],
  )
  assert.equal(
    kept.map(({ start, text }) => [start, text]),
    [
      [0, 'Because '],
      [8, 'of'],
    ],
  )
})

test('NUL is not said, so that what is heard can be stored', () => {
  const { speeches, text } = stage()
  const voice = speeches.open(place())
  voice.say('a\0b')
  assert.is(voice.text(), 'ab')
  assert.is(text(), 'ab')
})

test('a second speaker of the same attempt goes on where the first stands', () => {
  const { speeches, heard } = stage()
  const first = speeches.open(place())
  first.say('one ')
  first.end()
  const second = speeches.open(place())
  second.say('two')
  second.end()
  assert.is(second.text(), 'one two')
  assert.is(heard.at(-1)?.offset, 4)
})

test('each round of an attempt has a price of its own, for which a cut waits', async () => {
  const { speeches, clock } = stage()
  const first = speeches.open(place())
  first.say('Let me look. ')
  first.note({ model: 'double', usage: { in: 10, out: 3 } })
  const second = speeches.open(place())
  second.say('It is')
  const cutting = speeches.cut(place())
  first.end() // late: the second speaks already
  await settled()
  clock.move(100)
  second.note({ usage: { in: 900, out: 50 } })
  second.end()
  assert.equal((await within(1_000, cutting))?.note, { usage: { in: 900, out: 50 } })
})

test('a new attempt silences the one before, which nobody hears any more', () => {
  const { speeches, text } = stage()
  const old = speeches.open(place(1))
  old.say('old')
  const young = speeches.open(place(2))
  old.say(' and late')
  old.end()
  young.say('young')
  assert.is(text(1), 'old')
  assert.is(text(2), 'young')
})

test('whoever joins in the middle gets the reply so far, whole', () => {
  const { speeches } = stage()
  assert.is(speeches.live('t', 'c'), undefined)
  const voice = speeches.open(place())
  assert.is(speeches.live('t', 'c'), undefined)
  voice.say('Because')
  assert.equal(speeches.live('t', 'c'), { turn: 't1', attempt: 1, text: 'Because' })
})

test('a cut tells what was heard, waits for the price, and silences', async () => {
  const { speeches, text } = stage()
  const voice = speeches.open(place())
  voice.say('half')
  voice.say(' more')
  const cutting = speeches.cut(place())
  voice.note({ model: 'double', cost: 0.01 })
  voice.say(' too late')
  voice.end()
  assert.equal(await within(1_000, cutting), { text: 'half more', note: { model: 'double', cost: 0.01 } })
  assert.is(text(), 'half more')
})

test('a cut waits half a second for a speaker that does not end, and not longer', async () => {
  const { speeches, clock } = stage()
  speeches.open(place()).say('half')
  const cutting = speeches.cut(place())
  await clock.pass(500)
  assert.equal(await within(1_000, cutting), { text: 'half', note: {} })
})

test('a cut of another attempt or turn cuts nobody', async () => {
  const { speeches } = stage()
  const voice = speeches.open(place(2))
  assert.is(await speeches.cut(place(1)), undefined)
  assert.is(await speeches.cut(place(2, 't9')), undefined)
  voice.say('still here')
  assert.is(voice.text(), 'still here')
})

test('a cut knows nothing of a speaker elsewhere whose first words are missing here: others may have heard them', async () => {
  const { speeches } = stage()
  const speaker = { ...place(), work: '1:1' }
  assert.is(speeches.hear(speaker, 8, 'of scattering.'), false)
  assert.is(await within(1_000, speeches.cut(place())), undefined)
  // Whatever comes later comes too late.
  assert.is(speeches.hear(speaker, 0, 'Because of scattering.'), true)
  assert.is(speeches.live('t', 'c'), undefined)
})

test('a cut of who goes on for somebody who is gone is a part of what may have been heard', async () => {
  const { speeches } = stage()
  const voice = speeches.open(place(), { text: 'Because of ', from: 0 })
  voice.say('Because of scattering')
  voice.note({ cost: 0.01 })
  voice.end()
  assert.equal(await within(1_000, speeches.cut(place())), { text: 'Because of scattering', note: { cost: 0.01 }, isPart: true })
})

test('a cut waits for a speaker elsewhere as it does for one of this node', async () => {
  const { speeches } = stage()
  const speaker = { ...place(), work: '1:1' }
  speeches.hear(speaker, 0, 'Because ')
  const cut = speeches.cut(place())
  speeches.heardOut(speaker, { model: 'm' })
  assert.equal(await within(1_000, cut), { text: 'Because ', note: { model: 'm' } })
})

test('a flush lets go what a frame holds back', () => {
  const { speeches, text } = stage()
  const voice = speeches.open(place())
  voice.say('a')
  voice.say('b')
  assert.is(text(), 'a')
  speeches.flush('t', 'c')
  assert.is(text(), 'ab')
})

test('what is durable is told behind the words that a frame holds back, and what is not may overtake them', () => {
  const { bus, speeches } = stage()
  const { tell } = createPublisher({ bus, speeches })
  const told: unknown[] = []
  bus.watch('t/c', ({ name, payload }) => void told.push((payload as { text?: string }).text ?? name))
  const voice = speeches.open(place())
  for (const word of ['a', 'b']) voice.say(word)
  tell({ tenant: 't', actor: 'c' }, 'agent.status', { turn: 't1' }, false)
  tell({ tenant: 't', actor: 'c' }, 'turn.escalated', { turn: 't1', seq: 1 }, true)
  assert.equal(told, ['a', 'agent.status', 'b', 'turn.escalated'])
})

test('what nobody said of a reply is told before its end, as what it is', () => {
  const { bus, speeches } = stage()
  const { tell } = createPublisher({ bus, speeches })
  const told: unknown[] = []
  bus.watch('t/c', ({ name, payload, isRest }) => void told.push([name, (payload as { text?: string }).text, isRest]))
  speeches.open(place()).say('Because ')
  tell({ tenant: 't', actor: 'c' }, 'reply.finished', { turn: 't1', attempt: 1, seq: 1, message: { text: 'Because of the moon.' } }, true)
  assert.equal(told, [
    ['reply.delta', 'Because ', undefined],
    ['reply.delta', 'of the moon.', true],
    ['reply.finished', undefined, undefined],
  ])
})

test('closed, a turn is not live, and at its end the log forgets it', () => {
  const { speeches, forgotten } = stage()
  speeches.open(place()).say('x')
  speeches.close('t', 'c', 't1', false)
  assert.is(speeches.live('t', 'c'), undefined)
  assert.equal(forgotten, [])
  speeches.close('t', 'c', 't1', true)
  assert.equal(forgotten, ['t1'])
  assert.is(speeches.count(), 0)
})

test('the end of one turn does not close the next', () => {
  const { speeches } = stage()
  speeches.open(place(1, 't2')).say('x')
  speeches.close('t', 'c', 't1', true)
  assert.is(speeches.live('t', 'c')?.turn, 't2')
})

test.run()
