/** What every bus promises. A frame may take its time, so each test waits for what it expects and never for time to pass. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Bus, type Frame, roomOf } from '../../runtime/cluster/bus.ts'
import { within } from '../support/within.ts'

const frame = (room: string, n: number): Frame => ({ room, name: 'reply.delta', payload: { n } })
const numberOf = ({ payload }: Frame) => (payload as { n: number }).n

/** Hears a room and can be asked to wait until so many frames are there. */
function ear(bus: Bus, room: string) {
  const heard: number[] = []
  let wanted = Number.POSITIVE_INFINITY
  let reached = () => {}
  const leave = bus.watch(room, (one) => {
    heard.push(numberOf(one))
    if (heard.length >= wanted) reached()
  })
  return {
    heard,
    leave,
    until: (count: number) =>
      within(
        5_000,
        new Promise<void>((resolve) => {
          wanted = count
          reached = resolve
          if (heard.length >= count) resolve()
        }),
        `${count} frames`,
      ),
  }
}

export function keepsBusContract(name: string, open: () => Promise<Bus>): void {
  const test = suite(`a bus (${name})`)
  let bus: Bus

  test.before.each(async () => {
    bus = await within(5_000, open())
  })
  test.after.each(() => within(5_000, bus.close()))

  test('brings the frames of a room to every watcher in the order in which they were published', async () => {
    const [one, two] = [ear(bus, 'r'), ear(bus, 'r')]
    for (let n = 0; n < 200; n++) bus.publish(frame('r', n))
    await Promise.all([one.until(200), two.until(200)])
    const expected = Array.from({ length: 200 }, (_, n) => n)
    assert.equal(one.heard, expected)
    assert.equal(two.heard, expected)
  })

  test('brings a frame whole', async () => {
    const sent: Frame = { room: 'r', name: 'reply.delta', payload: { text: 'Größe 👩‍👩‍👧 "q"', deep: { list: [1, null] } } }
    const got = new Promise<Frame>((resolve) => bus.watch('r', resolve))
    bus.publish(sent)
    assert.equal(await within(5_000, got), sent)
  })

  test('keeps rooms apart', async () => {
    const [a, b] = [ear(bus, roomOf('t', 'a')), ear(bus, roomOf('t', 'b'))]
    bus.publish(frame(roomOf('t', 'a'), 1))
    bus.publish(frame(roomOf('t', 'b'), 2))
    await Promise.all([a.until(1), b.until(1)])
    assert.equal([a.heard, b.heard], [[1], [2]])
  })

  test('keeps order where a watcher answers a frame with a frame', async () => {
    bus.watch('r', (one) => {
      if (numberOf(one) === 1) bus.publish(frame('r', 2))
    })
    const later = ear(bus, 'r')
    bus.publish(frame('r', 1))
    await later.until(2)
    assert.equal(later.heard, [1, 2])
  })

  test('lets a watcher that throws harm no other', async () => {
    bus.watch('r', () => {
      throw new Error('a watcher failed')
    })
    const other = ear(bus, 'r')
    bus.publish(frame('r', 1))
    bus.publish(frame('r', 2))
    await other.until(2)
    assert.equal(other.heard, [1, 2])
  })

  test('forgets what nobody watches', async () => {
    bus.publish(frame('r', 1))
    const late = ear(bus, 'r')
    bus.publish(frame('r', 2))
    await late.until(1)
    assert.equal(late.heard, [2])
  })

  test('tells nothing more to whoever has left, also when the same ear listened twice', async () => {
    const heard: number[] = []
    const hear = (one: Frame) => void heard.push(numberOf(one))
    const leave = bus.watch('r', hear)
    bus.watch('r', hear)
    const other = ear(bus, 'r')
    leave()
    leave()
    bus.publish(frame('r', 1))
    await other.until(1)
    assert.equal(heard, [1])
  })

  test('lets a watcher leave while it hears', async () => {
    const heard: number[] = []
    const leave = bus.watch('r', (one) => {
      heard.push(numberOf(one))
      leave()
    })
    const other = ear(bus, 'r')
    bus.publish(frame('r', 1))
    bus.publish(frame('r', 2))
    await other.until(2)
    assert.equal(heard, [1])
  })

  test('is silent once it is closed, and closing twice is fine', async () => {
    const one = ear(bus, 'r')
    await bus.close()
    bus.publish(frame('r', 1))
    assert.equal(one.heard, [])
  })

  test.run()
}
