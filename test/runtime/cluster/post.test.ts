import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createSeal } from '../../../runtime/cluster/parcel.ts'
import { createPost } from '../../../runtime/cluster/post.ts'
import { silent } from '../../../runtime/watch/log.ts'
import { letter, peer, posts } from '../../support/posts.ts'
import { within } from '../../support/within.ts'

const b = peer('b')
const names = (count: number) => Array.from({ length: count }, (_, at) => `l${at}`)

test('letters arrive in order, those of the same turn as one batch', async () => {
  const world = posts()
  const [one, two] = [await world.node('a'), await world.node('b')]
  for (const name of names(10)) one.post.send(b, letter(name))
  assert.is(world.parcels.length, 0)
  await world.settled()
  assert.equal(two.heard, names(10))
  assert.is(world.parcels.length, 1)
  assert.is(world.parcels[0]?.to, 'test:b/1')
})

test('a letter says from whom it is, and brings what JSON can say', async () => {
  const world = posts()
  const [one, two] = [await world.node('a', { life: 'x' }), await world.node('b', { open: false })]
  const got: unknown[] = []
  await two.post.open({ letter: (from, one) => void got.push(from, one), gap: () => void got.push('gap') })
  const sent = { type: 'said', text: 'half \ud83d, nul \u0000, \u2028 "q"\n', deep: { list: [1, null, { a: 'ä👩‍👩‍👧' }] } }
  one.post.send(b, sent)
  await world.settled()
  assert.equal(got, [peer('a', 'x'), sent])
})

test('a letter is what it was when it was sent', async () => {
  const world = posts()
  const [one, two] = [await world.node('a'), await world.node('b')]
  const changing = letter('before')
  one.post.send(b, changing)
  changing.text = 'after'
  await world.settled()
  assert.equal(two.heard, ['before'])
})

test('a batch has at most 64 letters and 64 KB, and a longer letter is one of its own', async () => {
  const world = posts()
  const [one, two] = [await world.node('a'), await world.node('b')]
  for (const name of names(130)) one.post.send(b, letter(name))
  await world.pass(3)
  assert.is(world.parcels.length, 3)
  const long = 'x'.repeat(30_000)
  for (const name of names(3)) one.post.send(b, letter(name, { long }))
  one.post.send(b, letter('whale', { long: 'x'.repeat(100_000) }))
  one.post.send(b, letter('last'))
  await world.pass(3)
  assert.equal(two.heard, [...names(130), ...names(3), 'whale', 'last'])
  assert.is(world.parcels.length, 3 + 4) // two of 30 KB, the third, the whale, the last
  assert.is(one.post.counts.batches, 7)
  assert.is(one.post.counts.sent, 135)
})

test('a life that is over is told no numbers any more, and the next one begins with none missing', async () => {
  const world = posts()
  const one = await world.node('a')
  await world.node('b')
  for (const life of ['1', '2']) one.post.send(peer('b', life), letter('news'))
  await world.settled()
  one.post.forget(b)
  world.parcels.length = 0
  await world.pass(3_000)
  assert.equal([...new Set(world.parcels.map(({ to }) => to))], ['test:b/2'])
  const next = await world.node('b', { life: '3' })
  one.post.send(peer('b', '3'), letter('more'))
  await world.settled()
  assert.equal(next.heard, ['more'])
})

test('under load a batch leaves every three milliseconds, or as seldom as the carrier wants', async () => {
  for (const [pause, most] of [
    [0, 3],
    [15, 15],
  ] as const) {
    const world = posts({ carriers: [{ name: 'memory', pause }] })
    const [one, two] = [await world.node('a'), await world.node('b')]
    one.post.send(b, letter('at once'))
    await world.settled()
    assert.equal(two.heard, ['at once'])
    one.post.send(b, letter('a moment'))
    await world.pass(most - 1)
    one.post.send(b, letter('later'))
    await world.settled()
    assert.equal(two.heard, ['at once'], `${pause}`)
    await world.pass(1)
    assert.equal(two.heard, ['at once', 'a moment', 'later'])
    assert.is(world.parcels.length, 2)
  }
})

/** Sends every letter as a batch of its own. */
async function sendApart(world: ReturnType<typeof posts>, one: Awaited<ReturnType<typeof world.node>>, texts: string[]) {
  for (const text of texts) {
    one.post.send(b, letter(text))
    await world.pass(20)
  }
}

test('a batch that comes twice is read once', async () => {
  const world = posts({ fate: (_, nth) => (nth === 0 ? { fate: 'twice', again: 30 } : 'twice') })
  const [one, two] = [await world.node('a'), await world.node('b')]
  await sendApart(world, one, ['1', '2', '3'])
  assert.equal(two.heard, ['1', '2', '3'])
  assert.is(two.post.counts.repeated, 3)
})

test('a lost batch is announced before what comes after it, also when it was the first', async () => {
  const world = posts({ fate: (_, nth) => (nth === 0 || nth === 3 ? 'lost' : 'ok') })
  const [one, two] = [await world.node('a'), await world.node('b')]
  await sendApart(world, one, ['1', '2', '3', '4', '5', '6'])
  assert.equal(two.heard, ['gap', '2', '3', 'gap', '5', '6'])
  assert.is(two.post.counts.gaps, 2)
})

test('a batch that was overtaken is missing, and does not come late', async () => {
  const world = posts({ fate: (_, nth) => ({ fate: 'ok', delay: nth === 1 ? 500 : 1 }) })
  const [one, two] = [await world.node('a'), await world.node('b')]
  await sendApart(world, one, ['1', '2', '3'])
  await world.pass(3_000)
  assert.equal(two.heard, ['1', 'gap', '3'])
})

test('whoever listens late hears that something is missing', async () => {
  const world = posts()
  const [one, two] = [await world.node('a'), await world.node('b', { open: false })]
  await sendApart(world, one, ['1', '2'])
  await two.listen()
  await sendApart(world, one, ['3'])
  assert.equal(two.heard, ['gap', '3'])
})

test('a pulse finds the loss of the last batch within two seconds, once', async () => {
  const world = posts({ fate: (_, nth) => (nth === 1 ? 'lost' : 'ok') })
  const [one, two] = [await world.node('a'), await world.node('b')]
  await sendApart(world, one, ['1', '2'])
  assert.equal(two.heard, ['1'])
  await world.pass(2_000)
  assert.equal(two.heard, ['1', 'gap'])
  await world.pass(10_000)
  await sendApart(world, one, ['3'])
  assert.equal(two.heard, ['1', 'gap', '3'])
})

test('a pulse is heard of only where something is missing, and ends a minute after the last letter', async () => {
  const world = posts()
  const [one, two] = [await world.node('a'), await world.node('b')]
  await sendApart(world, one, ['1'])
  await world.pass(30_000)
  assert.is.not(world.clock.waiting(), 0)
  assert.ok(world.parcels.length > 25 && world.parcels.length < 35, `${world.parcels.length} parcels`)
  await world.pass(60_000)
  assert.is(world.clock.waiting(), 0)
  assert.ok(world.parcels.length < 65, `${world.parcels.length} parcels`)
  await sendApart(world, one, ['2'])
  assert.equal(two.heard, ['1', '2'])
  assert.equal(two.post.counts, { ...two.post.counts, gaps: 0, repeated: 0, ignored: 0 })
})

test('while letters flow there is no pulse', async () => {
  const world = posts()
  const one = await world.node('a')
  await world.node('b')
  for (let n = 0; n < 20; n++) {
    one.post.send(b, letter('x'))
    await world.pass(500)
  }
  assert.is(world.parcels.length, 20)
})

test('what nobody of the cluster has signed for us is ignored, with one line a minute', async () => {
  const world = posts()
  const [one, two, stranger] = [await world.node('a'), await world.node('b'), await world.node('s', { secret: 'another' })]
  const third = await world.node('c')
  one.post.send(b, letter('ours'))
  one.post.send(peer('c'), letter('for c'))
  await world.settled()
  const thief = world.thief()
  const [ours, forC] = world.parcels.map(({ parcel }) => parcel) as [string, string]
  const bent = `${ours.slice(0, -4)}${ours.slice(-4).replace('"', ' ')}`
  assert.is.not(bent, ours)
  for (const forged of [forC, bent, '', 'x', '\n'.repeat(23), ours.slice(0, 30), `${'A'.repeat(22)}\n["a","1",2,0,0,1]\n[]`, `${ours} `])
    assert.is(await thief.carry('test:b/1', forged), true)
  stranger.post.send(b, letter('not ours'))
  await world.settled()
  assert.equal([two.heard, third.heard], [['ours'], ['for c']])
  assert.is(two.post.counts.ignored, 9)
  const said = () => world.lines.filter((line) => line.includes('a letter that no node of this cluster has signed was ignored')).length
  assert.is(said(), 1)
  await world.pass(60_000) // pulses of the stranger are in it
  assert.is(said(), 2)
  assert.match(world.lines.find((line) => line.includes('signed')) ?? '', /^warn memory: /)
})

test('what is carried again later is read once, and never by the next life of a node', async () => {
  const world = posts()
  const [one, two] = [await world.node('a'), await world.node('b')]
  await sendApart(world, one, ['1', '2', '3'])
  const thief = world.thief()
  for (const { parcel } of [...world.parcels]) await thief.carry('test:b/1', parcel)
  await world.settled()
  assert.equal(two.heard, ['1', '2', '3'])
  assert.is(two.post.counts.repeated, 3)
  await two.post.close()
  const next = await world.node('b', { life: '2' })
  for (const { parcel } of world.parcels.slice(0, 3)) await thief.carry('test:b/2', parcel)
  await world.settled()
  assert.equal(next.heard, [])
  assert.is(next.post.counts.ignored, 3)
})

test('a signed parcel without sense harms nobody', async () => {
  const world = posts()
  const [one, two] = [await world.node('a'), await world.node('b')]
  const seal = createSeal('secret')
  const head = { from: peer('a'), n: 1, way: 0, part: 0, parts: 1 }
  const pieces = ['', 'no json', '{}', '[1]', '[null]', '[{"text":"no type"}]', '[{"type":"ok"},{"type":1}]']
  const parcels = [
    ...pieces.map((piece) => ({ ...head, piece })),
    { ...head, n: 0, piece: '[]' },
    { ...head, n: 1.5, piece: '[]' },
    { ...head, part: 1, piece: '[]' },
    { ...head, parts: -1, piece: '[]' },
    { ...head, from: { node: 'a' } as never, piece: '[]' },
  ]
  for (const parcel of parcels) await world.thief().carry('test:b/1', seal.close('test:b/1', parcel))
  await world.settled()
  assert.is(two.post.counts.ignored, parcels.length)
  one.post.send(b, letter('sense'))
  await world.settled()
  assert.equal(two.heard, ['sense'])
})

test('a letter that is bigger than a parcel arrives whole, in whatever order its parts do', async () => {
  const world = posts({
    carriers: [{ name: 'small', most: 400 }],
    fate: (_, nth) => ({ fate: nth % 3 ? 'ok' : 'twice', delay: (nth * 7) % 5 }),
  })
  const one = await world.node('a')
  const two = await world.node('b')
  const text = 'Größe 👩‍👩‍👧 \ud83d "q" \u0000'.repeat(300)
  one.post.send(b, letter(text))
  await world.pass(100)
  assert.equal(two.heard, [text])
  assert.ok(world.parcels.length > 20, `${world.parcels.length}`)
  const sizes = world.parcels.map(({ parcel }) => Buffer.byteLength(parcel))
  assert.ok(Math.max(...sizes) <= 400 && Math.max(...sizes) > 380, `${Math.max(...sizes)}`)
})

test('where one part is missing the whole batch is', async () => {
  const world = posts({ carriers: [{ name: 'small', most: 400 }], fate: (_, nth) => (nth === 5 ? 'lost' : 'ok') })
  const [one, two] = [await world.node('a'), await world.node('b')]
  one.post.send(b, letter('x'.repeat(3_000)))
  await world.settled()
  assert.equal(two.heard, [])
  await world.pass(2_000)
  assert.equal(two.heard, ['gap'])
  one.post.send(b, letter('y'.repeat(3_000)))
  await world.pass(10)
  assert.equal(two.heard, ['gap', 'y'.repeat(3_000)])
})

const two = [{ name: 'quick' }, { name: 'sure' }]
const ways = (world: ReturnType<typeof posts>) => world.parcels.map(({ carrier }) => carrier)

for (const fate of ['broken', 'unheard'] as const)
  test(`what the first carrier does not take (${fate}) goes by the next; the first gets copies until it takes one`, async () => {
    let is: 'ok' | typeof fate = fate
    const world = posts({ carriers: two, fate: ({ carrier }) => (carrier === 'quick' ? is : 'ok') })
    const [one, other] = [await world.node('a'), await world.node('b')]
    await sendApart(world, one, names(100))
    assert.equal(other.heard, names(100))
    // Two seconds of letters: the first, and a copy after one second.
    const tries = ways(world).filter((name) => name === 'quick').length
    assert.ok(tries >= 2 && tries <= 3, `${tries} tries`)
    is = 'ok'
    await sendApart(world, one, names(100))
    assert.equal(other.heard, [...names(100), ...names(100)])
    assert.equal(ways(world).slice(-20), Array(20).fill('quick'))
    const said = world.lines.map((line) => line.replace(/^warn|^info/, ''))
    assert.equal(said, [
      ' quick: a carrier does not reach this neighbour; its letters go another way',
      ' quick: a carrier reaches this neighbour again',
    ])
  })

test('a carrier that falls silent costs a second and no letter, and none of the order', async () => {
  let mute = false
  const world = posts({ carriers: two, fate: ({ carrier }) => (carrier === 'quick' && mute ? 'silent' : 'ok') })
  const [one, other] = [await world.node('a'), await world.node('b')]
  await sendApart(world, one, ['before'])
  mute = true
  await sendApart(world, one, names(40)) // 800 ms
  assert.equal(other.heard, ['before'])
  await sendApart(world, one, ['after', 'it', 'all', 'and', 'more', 'of', 'it', 'still', 'to', 'come', 'x', 'y'])
  assert.equal(other.heard, ['before', ...names(40), 'after', 'it', 'all', 'and', 'more', 'of', 'it', 'still', 'to', 'come', 'x', 'y'])
  await sendApart(world, one, names(200)) // copies that nobody answers
  mute = false
  await sendApart(world, one, names(100))
  assert.equal(other.heard.slice(53), [...names(200), ...names(100)])
  assert.equal(ways(world).slice(-20), Array(20).fill('quick'))
  assert.is(world.lines.length, 2)
})

test('an answer that was overtaken by a later one is old news', async () => {
  const world = posts({ carriers: two, fate: ({ carrier }, nth) => (carrier === 'quick' && nth === 0 ? 'silent' : 'ok') })
  const [one, other] = [await world.node('a'), await world.node('b')]
  await sendApart(world, one, ['1', '2'])
  await world.pass(1_500)
  await sendApart(world, one, ['3'])
  assert.equal(other.heard, ['gap', '2', '3'])
  assert.equal(world.lines, [])
  assert.equal(ways(world), ['quick', 'quick', 'sure', 'quick'])
})

test('a pulse does not overtake a batch that goes from carrier to carrier', async () => {
  const world = posts({
    carriers: [...two, { name: 'last' }],
    fate: ({ carrier }, nth) => (carrier === 'sure' || (carrier === 'quick' && nth === 0) ? 'silent' : 'ok'),
  })
  const [one, other] = [await world.node('a'), await world.node('b')]
  await sendApart(world, one, ['1'])
  await world.pass(1_500)
  assert.equal(other.heard, [])
  await world.pass(1_500)
  assert.equal(other.heard, ['1'])
})

test('one neighbour that a carrier does not reach changes nothing for another', async () => {
  const world = posts({ carriers: two, fate: ({ carrier, to }) => (carrier === 'quick' && to === 'test:b/1' ? 'unheard' : 'ok') })
  const one = await world.node('a')
  await world.node('b')
  await world.node('c')
  await sendApart(world, one, ['1', '2'])
  one.post.send(peer('c'), letter('to c'))
  await world.settled()
  assert.equal(world.parcels.at(-1), { ...world.parcels.at(-1), to: 'test:c/1', carrier: 'quick' })
})

test('what no carrier takes is missing, and the next that one takes says so', async () => {
  let down = true
  const world = posts({ carriers: two, fate: () => (down ? 'broken' : 'ok') })
  const [one, other] = [await world.node('a'), await world.node('b')]
  await sendApart(world, one, ['1', '2', '3'])
  assert.is(one.post.counts.lost, 3)
  assert.is(world.lines.filter((line) => line.includes('is lost')).length, 1)
  down = false
  await sendApart(world, one, ['4'])
  assert.equal(other.heard, ['gap', '4'])
})

test('where there is one carrier only, it gets everything once', async () => {
  const world = posts({ fate: () => 'broken' })
  const one = await world.node('a')
  await world.node('b')
  await sendApart(world, one, ['1', '2'])
  await world.pass(1_500)
  await sendApart(world, one, ['3'])
  const parcels = world.parcels.map(({ parcel }) => parcel).filter((parcel) => !parcel.endsWith('\n'))
  assert.is(parcels.length, 3)
})

test('parts that were cut for one carrier are not mixed with those for the next', async () => {
  const world = posts({
    carriers: [
      { name: 'quick', most: 500 },
      { name: 'sure', most: 501 },
    ],
    fate: ({ carrier }, nth) => (carrier === 'quick' && nth === 4 ? 'unheard' : 'ok'),
  })
  const [one, other] = [await world.node('a'), await world.node('b')]
  const text = Array.from({ length: 4_000 }, (_, n) => n).join(' ')
  one.post.send(b, letter(text))
  await world.settled()
  assert.equal(other.heard, [text])
})

test('at most a megabyte waits for a neighbour; what is too much is missing', async () => {
  let mute = true
  const world = posts({ fate: () => (mute ? 'silent' : 'ok') })
  const [one, other] = [await world.node('a'), await world.node('b')]
  const long = 'x'.repeat(10_000)
  for (const name of names(300)) one.post.send(b, letter(name, { long }))
  await world.pass(10)
  const bytes = world.parcels.reduce((sum, { parcel }) => sum + parcel.length, 0)
  assert.ok(bytes > 950_000 && bytes < 1_050_000, `${bytes} bytes`)
  assert.ok(one.post.counts.lost > 190, `${one.post.counts.lost} lost`)
  await world.pass(1_000)
  mute = false
  one.post.send(b, letter('after'))
  await world.pass(10)
  assert.equal(other.heard, ['gap', 'after'])
})

test('what was answered for does not wait any more', async () => {
  const world = posts()
  const [one, other] = [await world.node('a'), await world.node('b')]
  for (let round = 0; round < 4; round++) {
    for (const name of names(40)) one.post.send(b, letter(name, { long: 'x'.repeat(10_000) }))
    await world.pass(10)
  }
  assert.is(one.post.counts.lost, 0)
  assert.is(other.heard.length, 160)
})

test('a letter that is too big for any queue, or no JSON, is missing and harms no other', async () => {
  const world = posts()
  const [one, other] = [await world.node('a'), await world.node('b')]
  const circle = letter('circle')
  circle.self = circle
  for (const bad of [circle, letter('n', { n: 1n }), letter('x'.repeat(1_100_000)), { type: 'x', toJSON: () => undefined }]) {
    one.post.send(b, letter('before'))
    one.post.send(b, bad)
    one.post.send(b, letter('after'))
    await world.pass(10)
  }
  assert.equal(other.heard, Array(4).fill(['before', 'gap', 'after']).flat())
})

test('a reader that throws harms no other letter', async () => {
  const world = posts()
  const one = await world.node('a')
  const other = await world.node('b', {
    hear: ({ text }) => {
      if (text === '2') throw new Error('cannot read')
    },
  })
  for (const text of ['1', '2', '3']) one.post.send(b, letter(text))
  await world.pass(10)
  await sendApart(world, one, ['4'])
  assert.equal(other.heard, ['1', '3', '4'])
  assert.equal(world.lines, ['error a letter was read badly'])
})

test('a reader may answer, and one that throws about a gap hears what follows', async () => {
  const world = posts({ fate: (_, nth) => (nth === 0 ? 'lost' : 'ok') })
  const [one, other] = [await world.node('a'), await world.node('b', { open: false })]
  const heard: unknown[] = []
  await other.post.open({
    letter(from, { text }) {
      heard.push(text)
      other.post.send(from, letter('thanks'))
    },
    gap() {
      throw new Error('no idea what to do')
    },
  })
  await sendApart(world, one, ['1', '2'])
  assert.equal([heard, one.heard], [['2'], ['thanks']])
})

test('lives are told apart: what an old one sent says nothing of the new one', async () => {
  const world = posts()
  const other = await world.node('b')
  const [old, young] = [await world.node('a'), await world.node('a', { life: '2' })]
  await sendApart(world, old, ['1', '2'])
  await sendApart(world, young, ['one'])
  await sendApart(world, old, ['3'])
  assert.equal(other.heard, ['1', '2', 'one', '3'])
})

test('closing sends what waits, and then nothing is sent or heard', async () => {
  const world = posts()
  const [one, other] = [await world.node('a'), await world.node('b')]
  one.post.send(b, letter('first'))
  await world.settled()
  one.post.send(b, letter('last'))
  await within(5_000, one.post.close())
  await within(5_000, one.post.close())
  one.post.send(b, letter('too late'))
  assert.is(one.post.counts.sent, 2)
  other.post.send(one.me, letter('to nobody'))
  await world.pass(3_000)
  assert.equal([one.heard, other.heard], [[], ['first', 'last']])
  assert.is(one.post.counts.lost, 0)
  await other.post.close()
  assert.is(world.clock.waiting(), 0)
})

test('closing waits two seconds for a carrier that is silent, and no longer', async () => {
  const world = posts({ carriers: [...two, { name: 'last' }], fate: () => 'silent' })
  const one = await world.node('a')
  await world.node('b')
  one.post.send(b, letter('last'))
  let closed = false
  const closing = one.post.close().then(() => {
    closed = true
  })
  await world.pass(1_900)
  assert.not(closed)
  await world.pass(100)
  await within(5_000, closing)
})

test('a carrier that still brings something after the end is not listened to', async () => {
  const world = posts()
  const one = await world.node('a')
  const heard: unknown[] = []
  const stubborn = { ...world.thief(), close: async () => {} }
  const post = createPost({ me: b, secret: 'secret', prefix: 'test', carriers: [stubborn], clock: world.clock, log: silent })
  await post.open({ letter: (_, { text }) => void heard.push(text), gap: () => void heard.push('gap') })
  await sendApart(world, one, ['1'])
  await post.close()
  await sendApart(world, one, ['2'])
  assert.is(world.parcels.length, 2)
  assert.equal(heard, ['1'])
})

test('opening waits for a carrier that cannot listen yet, but not for ever', async () => {
  const world = posts()
  const never = { ...world.thief(), listen: () => new Promise<void>(() => {}) }
  const refusing = { ...world.thief(), listen: () => Promise.reject(new Error('no')) }
  const post = createPost({
    me: b,
    secret: 'secret',
    prefix: 'test',
    carriers: [never, refusing, world.thief()],
    clock: world.clock,
    log: silent,
  })
  const heard: unknown[] = []
  let opened = false
  const opening = post.open({ letter: (_, { text }) => void heard.push(text), gap() {} }).then(() => {
    opened = true
  })
  const one = await world.node('a')
  await sendApart(world, one, ['already'])
  assert.equal(heard, ['already'])
  assert.not(opened)
  await world.pass(3_000)
  await within(5_000, opening)
})

test.run()
