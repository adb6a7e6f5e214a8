/** What every carrier promises on a quiet line. A parcel may take its time, so each test waits for what it expects. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Carrier } from '../../runtime/cluster/carrier.ts'
import { until } from '../support/until.ts'
import { within } from '../support/within.ts'

interface Line {
  name: string
  /** A carrier of its own for every node; all of them reach each other. */
  open(node: string): Promise<Carrier>
  /** Whether it can say that nobody listens. */
  knows: boolean
}

let addresses = 0

export function keepsCarrierContract({ name, open, knows }: Line): void {
  const test = suite(`a carrier (${name})`)
  let one: Carrier
  let two: Carrier

  /** Nobody has listened there before, on a server that others use too. */
  const address = () => `test:${process.pid}.${process.hrtime.bigint()}.${++addresses}/life`

  async function ear(carrier: Carrier, at = address()) {
    const heard: string[] = []
    await within(
      5_000,
      carrier.listen(at, (parcel) => void heard.push(parcel)),
      'listening',
    )
    return { at, heard, count: (n: number) => until(() => heard.length >= n, `${n} parcels, not ${heard.length}`, 5_000) }
  }
  const carry = (carrier: Carrier, at: string, parcel: string) => within(5_000, carrier.carry(at, parcel), 'the answer')

  test.before.each(async () => {
    one = await within(5_000, open('one'))
    two = await within(5_000, open('two'))
    // A line that is up carries both ways.
    const [to, fro] = [await ear(two), await ear(one)]
    await until(async () => (await one.carry(to.at, '?').catch(() => false)) && to.heard.length > 0, 'the line there', 5_000)
    await until(async () => (await two.carry(fro.at, '?').catch(() => false)) && fro.heard.length > 0, 'the line back', 5_000)
  })
  test.after.each(async () => {
    await within(5_000, one.close())
    await within(5_000, two.close())
  })

  test('brings a parcel to who listens', async () => {
    const { at, heard, count } = await ear(two)
    assert.is(await carry(one, at, 'a parcel'), true)
    await count(1)
    assert.equal(heard, ['a parcel'])
  })

  test('brings a parcel to its sender as to anybody else', async () => {
    const { at, heard, count } = await ear(one)
    assert.is(await carry(one, at, 'to myself'), true)
    await count(1)
    assert.equal(heard, ['to myself'])
  })

  test('brings nothing to another address, be it ever so like', async () => {
    const [mine, other, longer] = [await ear(two), await ear(two), await ear(one)]
    const alike = await ear(two, `${mine.at}2`)
    await carry(one, mine.at, 'mine')
    await carry(one, other.at, 'other')
    await carry(two, longer.at, 'longer')
    await carry(one, alike.at, 'alike')
    await Promise.all([mine, other, longer, alike].map(({ count }) => count(1)))
    assert.equal(
      [mine, other, longer, alike].map(({ heard }) => heard),
      [['mine'], ['other'], ['longer'], ['alike']],
    )
  })

  test('takes an address that is long and full of signs', async () => {
    const { at, heard, count } = await ear(two, `${address()}:Größe "q" 'q' ${'x'.repeat(300)}/life`)
    await carry(one, at, 'a parcel')
    await count(1)
    assert.equal(heard, ['a parcel'])
  })

  test('brings a parcel as big as it says, whole', async () => {
    const { at, heard, count } = await ear(two)
    const big = 'ä'.repeat(one.most / 2 - 1).padEnd(one.most / 2, '.')
    const parcel = big + '.'.repeat(one.most - Buffer.byteLength(big))
    assert.is(Buffer.byteLength(parcel), one.most)
    await carry(one, at, parcel)
    await count(1)
    assert.ok(heard[0] === parcel, 'the same parcel')
  })

  test('brings every character, also what JSON writes with a backslash', async () => {
    const texts = [
      'Größe 👩‍👩‍👧 "q" \\ / \n \t',
      'half \ud83d and \udc69 of a pair',
      'nul \u0000, line \u2028, bell \u0007',
      '\ufeff\uffff',
    ]
    const { at, heard, count } = await ear(two)
    await carry(one, at, JSON.stringify(texts))
    await carry(one, at, 'two\nlines\r\n and "quotes" \\ $1 %s')
    await count(2)
    assert.equal(JSON.parse(heard[0] ?? ''), texts)
    assert.is(heard[1], 'two\nlines\r\n and "quotes" \\ $1 %s')
  })

  test('keeps the order of many on a quiet line', async () => {
    const { at, heard, count } = await ear(two)
    const answers = Array.from({ length: 500 }, (_, n) => one.carry(at, String(n)))
    assert.ok((await within(5_000, Promise.all(answers))).every((answer) => answer === true))
    await count(500)
    assert.equal(
      heard,
      Array.from({ length: 500 }, (_, n) => String(n)),
    )
  })

  test(knows ? 'says when nobody listens' : 'takes a parcel also when nobody listens', async () => {
    assert.is(await carry(one, address(), 'to nobody'), !knows)
  })

  test('hears nothing once it is closed, takes nothing either, and closing twice is fine', async () => {
    const [silent, other] = [await ear(two), await ear(one)]
    await within(5_000, two.close())
    await within(5_000, two.close())
    await one.carry(silent.at, 'too late').catch(() => false)
    await carry(one, other.at, 'after it')
    await other.count(1)
    assert.equal(silent.heard, [])
    assert.is(
      await within(
        5_000,
        Promise.resolve(two.carry(other.at, 'too late')).catch(() => 'rejected'),
      ),
      'rejected',
    )
    assert.equal(other.heard, ['after it'])
  })

  test.run()
}
