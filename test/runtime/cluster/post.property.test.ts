/** Whatever the network loses, repeats, delays, refuses and forgets to answer. */
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Journey } from '../../../runtime/cluster/carrier.memory.ts'
import { cut } from '../../../runtime/cluster/parcel.ts'
import { letter, peer, posts } from '../../support/posts.ts'

const RUNS = Number(process.env.PROPERTY_RUNS ?? 150)

/** What `heard` makes of letters 0 to `sent`: in order, each at most once, and a gap wherever one is missing. */
function judge(heard: string[], sent: number): string | undefined {
  let last = -1
  let told = false
  for (const what of heard) {
    if (what === 'gap') {
      told = true
      continue
    }
    const n = Number(what.split(' ')[0])
    if (n <= last) return `${n} came after ${last}`
    if (n > last + 1 && !told) return `nobody said that something is missing before ${n}`
    last = n
    told = false
  }
  return last === sent - 1 || told ? undefined : `nobody said that what follows ${last} is missing`
}

test('the judge sees what it is there to see', () => {
  assert.is(judge(['0', '1', 'gap', '3'], 4), undefined)
  assert.is(judge(['0', 'gap'], 4), undefined)
  assert.match(judge(['0', '2', '3'], 4) ?? '', /missing before 2/)
  assert.match(judge(['0', '1'], 3) ?? '', /follows 1/)
  assert.match(judge(['0', '1', '1'], 2) ?? '', /1 came after 1/)
  assert.match(judge([], 1) ?? '', /missing/)
})

const journey: fc.Arbitrary<Journey> = fc.record({
  fate: fc.oneof({ weight: 6, arbitrary: fc.constant('ok' as const) }, fc.constantFrom('lost', 'twice', 'silent', 'unheard', 'broken')),
  delay: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 40 }), fc.integer({ min: 100, max: 3_000 })),
  again: fc.integer({ min: 0, max: 3_000 }),
})
/** So many letters, how long they are, and the milliseconds until the next ones. */
const act = fc.record({
  count: fc.oneof(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 60, max: 140 })),
  size: fc.constantFrom(0, 0, 0, 700, 40_000),
  pause: fc.oneof(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 2_500 })),
})
/** Of each carrier: its limit and what happens to its parcels, again and again. */
const carrier = fc.record({ most: fc.constantFrom(500, 7_900, 1024 * 1024), journeys: fc.array(journey, { minLength: 1, maxLength: 40 }) })

test('what arrives is in order and without repetition, and every hole is announced', async () => {
  let gaps = 0
  let whole = 0
  await fc.assert(
    fc.asyncProperty(fc.array(carrier, { minLength: 1, maxLength: 3 }), fc.array(act, { maxLength: 12 }), async (carriers, acts) => {
      let peace = false
      const fates = new Map(carriers.map(({ journeys }, at) => [String(at), journeys]))
      const world = posts({
        carriers: carriers.map(({ most }, at) => ({ name: String(at), most })),
        fate({ carrier }, nth) {
          const journeys = fates.get(carrier)!
          return peace ? 'ok' : journeys[nth % journeys.length]!
        },
      })
      const [one, two] = [await world.node('a'), await world.node('b')]
      let sent = 0
      for (const { count, size, pause } of acts) {
        for (let n = 0; n < count; n++) one.post.send(peer('b'), letter(`${sent++} ${'x'.repeat(size)}`))
        await world.pass(pause)
      }
      await world.pass(4_000)
      peace = true
      await world.pass(4_000)
      const wrong = judge(two.heard, sent)
      gaps += two.post.counts.gaps
      if (two.post.counts.gaps === 0 && sent > 0) whole++
      if (wrong) throw new Error(`${wrong}: ${two.heard.map((what) => what.split(' ')[0]).join(' ')}`)
    }),
    { numRuns: RUNS },
  )
  assert.ok(gaps > RUNS / 2 && whole > 0, `${gaps} gaps, ${whole} runs without any`)
})

test('a network that only delays, and keeps the order, costs nothing', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 900 }), fc.array(act, { maxLength: 8 }), async (delay, acts) => {
      const world = posts({ fate: () => ({ fate: 'ok', delay }) })
      const [one, two] = [await world.node('a'), await world.node('b')]
      let sent = 0
      for (const { count, pause } of acts) {
        for (let n = 0; n < count; n++) one.post.send(peer('b'), letter(String(sent++)))
        await world.pass(pause)
      }
      await world.pass(4_000)
      assert.equal(
        two.heard,
        Array.from({ length: sent }, (_, n) => String(n)),
      )
    }),
    { numRuns: RUNS / 3 },
  )
})

test('a text cut into parcels is the same text again, and no parcel is too big', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 2_000 }), fc.integer({ min: 150, max: 2_000 }), (text, most) => {
      const batch = JSON.stringify([{ type: 'x', text }])
      const parcels = cut({ from: peer('näme'), n: 1, way: 0 }, batch, most)
      assert.is(parcels.map(({ piece }) => piece).join(''), batch)
      assert.equal(
        parcels.map(({ part, parts }) => [part, parts]),
        parcels.map((_, at) => [at, parcels.length]),
      )
      for (const { piece } of parcels) assert.ok(Buffer.byteLength(piece) + 22 + 2 + '["näme","1",1,0,999,999]'.length <= most)
    }),
  )
})

test.run()
