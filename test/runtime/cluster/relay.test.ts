/** Watchers of one conversation on three nodes, while it lives here, moves, and its owners die. The engines are small stand-ins. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { memoryBus } from '../../../runtime/cluster/bus.memory.ts'
import type { Frame } from '../../../runtime/cluster/bus.ts'
import type { Letter, Peer } from '../../../runtime/cluster/post.ts'
import { type Relay, createRelay } from '../../../runtime/cluster/relay.ts'
import { shardOf } from '../../../runtime/cluster/shards.ts'
import type { Note, Speaker, Speeches } from '../../../runtime/host/speech.ts'
import { silent } from '../../../runtime/watch/log.ts'
import { type HandClock, handClock } from '../../support/clock.ts'

const place = { tenant: 't', actor: 'c' }
const room = 't/c'
const shard = shardOf(place.actor)
const all = new Set([shard])
const WORK = '4:1'

interface Event {
  seq: number
  name: string
  payload: object
}

/** A fleet around one conversation: what is stored, who owns it, and the letters that are on their way. */
function fleet(...names: string[]) {
  const clock = handClock()
  const stored: Event[] = []
  const world = {
    owner: names[0] as string | undefined,
    epoch: 1,
    away: false,
    isSilent: false,
    isDoubtful: false,
    reads: 0,
    reading: Promise.resolve(),
    listing: Promise.resolve(),
  }
  const letters: [from: string, to: string, letter: Letter][] = []
  const nodes = new Map<string, ReturnType<typeof node>>()

  function node(name: string) {
    const heard: Frame[] = []
    const errors: string[] = []
    const told = { position: undefined as number | undefined, wants: true as boolean | undefined, isBroken: false }
    const speech = { text: '', attempt: 1, isForeign: false, over: true }
    const known = () => (world.owner === name ? world.epoch : undefined)
    const speeches: Pick<Speeches, 'live' | 'speakers' | 'hear' | 'heardOut'> = {
      live: () => (speech.text && !speech.over ? { turn: 't1', attempt: speech.attempt, text: speech.text } : undefined),
      speakers() {
        if (told.isBroken) throw new Error('nobody knows who speaks')
        if (speech.over || speech.isForeign) return []
        return [{ place: { ...place, turn: 't1', attempt: speech.attempt, work: WORK }, text: () => speech.text }]
      },
      hear(_: Speaker, offset, text) {
        if (speech.over) Object.assign(speech, { text: '', over: false, isForeign: true })
        if (offset > speech.text.length) return false
        const fresh = text.slice(speech.text.length - offset)
        if (fresh) relay.publish({ room, name: 'reply.delta', payload: delta(speech.text.length, fresh) })
        speech.text += fresh
        return true
      },
      heardOut: (_: Speaker, __: Note) => {},
    }
    const relay: Relay = createRelay({
      local: memoryBus(),
      membership: () => ({
        shardOf,
        voiceOf: () => known(),
        ownerOf: () => (world.owner === undefined ? undefined : ({ node: world.owner, life: world.owner } as never)),
        chart: () => ({ epochs: { [shard]: world.epoch } }) as never,
        isSilent: () => world.isSilent,
        isDoubtful: () => world.isDoubtful,
        peers: () => names.filter((other) => other !== name).map((other) => ({ node: other, life: other }) as never),
      }),
      engine: () => ({
        host: { position: () => told.position, refresh: async () => {}, meet: async () => {}, wants: () => told.wants } as never,
        speeches: speeches as Speeches,
      }),
      send: (to: Peer, letter) => void letters.push([name, to.node, JSON.parse(JSON.stringify(letter)) as Letter]),
      begun() {},
      position: async () => {
        world.reads++
        await world.reading
        if (world.away) throw new Error('the store is away')
        return stored.at(-1)?.seq
      },
      events: async (_, after, last) => {
        await world.listing
        return stored.filter(({ seq }) => seq > after && seq <= last)
      },
      clock,
      log: { ...silent, error: (_, sentence) => void errors.push(sentence) },
    })
    return {
      relay,
      heard,
      errors,
      told,
      speech,
      watch: () => relay.watch(room, (frame) => void heard.push(frame)),
      /** Says more words, as the work that runs here does. */
      say(text: string) {
        speech.over = false
        const offset = speech.text.length
        relay.publish({ room, name: 'reply.delta', payload: delta(offset, text), work: WORK })
        speech.text += text
      },
      /** A committed step, told by the owner. */
      tell(name: string, payload: object = {}) {
        const event = { seq: (stored.at(-1)?.seq ?? 0) + 1, name, payload: { turn: 't1', ...payload } }
        stored.push(event)
        told.position = event.seq
        if (name === 'turn.finished') speech.over = true
        relay.publish({ room, name, payload: { conversation: place.actor, seq: event.seq, ...event.payload } })
      },
      /** What a reader of this node has put together, and every rule that was broken. */
      reading() {
        let text = ''
        let seq: number | undefined
        const faults: string[] = []
        let over = false
        for (const { name, payload } of heard) {
          const told = payload as { seq?: number; offset?: number; text?: string }
          if (told.seq !== undefined) {
            if (seq !== undefined && told.seq !== seq + 1) faults.push(`event ${told.seq} after ${seq}`)
            seq = told.seq
          }
          if (name === 'reply.delta') {
            if (over) faults.push('words behind the end')
            if (told.offset !== text.length) faults.push(`words at ${told.offset} after ${text.length}`)
            text += told.text
          }
          if (name === 'turn.finished') over = true
        }
        return { text, seq, faults }
      },
    }
  }

  for (const name of names) nodes.set(name, node(name))
  const at = (name: string) => nodes.get(name) as ReturnType<typeof node>
  const settled = async () => {
    for (let turns = 0; turns < 20; turns++) await Promise.resolve()
  }
  return {
    clock: clock as HandClock,
    world,
    stored,
    at,
    /** Kinds of the letters that are on their way. */
    underWay: () => letters.map(([, , { type }]) => type),
    /** Every letter arrives, but those that are lost. */
    async deliver(isLost: (from: string, to: string, letter: Letter) => boolean = () => false) {
      for (let one = letters.shift(); one; one = letters.shift()) {
        const [from, to, letter] = one
        if (!isLost(from, to, letter)) nodes.get(to)?.relay.hear({ node: from, life: from }, letter)
        await settled()
      }
    },
    /** The shard goes to this node; whoever had it before hears of it unless it is dead, and others unless it is not known to them. */
    async move(to: string, { dead, isKnown = () => true }: { dead?: string; isKnown?: (node: string) => boolean } = {}) {
      const from = world.owner
      world.owner = to
      world.epoch++
      if (dead) nodes.delete(dead)
      if (from && from !== dead) at(from).relay.lost(all)
      for (const [name, { relay }] of nodes) if (isKnown(name)) relay.charted()
      at(to).relay.gained(all)
      await settled()
    },
  }
}

const delta = (offset: number, text: string) => ({ conversation: place.actor, turn: 't1', attempt: 1, offset, text })
const finished = (text: string) => ({ attempt: 1, message: { id: 'r', text } })

test('a watcher on another node hears what the owner tells, once and in order', async () => {
  const { at, deliver } = fleet('a', 'b')
  at('b').watch()
  at('a').watch()
  await deliver()
  at('a').tell('turn.started')
  at('a').say('Because of ')
  at('a').say('scattering.')
  at('a').tell('reply.finished', finished('Because of scattering.'))
  at('a').tell('turn.finished')
  await deliver()
  for (const name of ['a', 'b']) assert.equal(at(name).reading(), { text: 'Because of scattering.', seq: 3, faults: [] }, name)
})

test('words that got lost between nodes come with the next look, or with the end of the reply', async () => {
  const { at, deliver } = fleet('a', 'b')
  at('b').watch()
  await deliver()
  at('a').tell('turn.started')
  at('a').say('Because ')
  at('a').say('of ')
  await deliver((_, __, { payload }) => (payload as { offset?: number })?.offset === 0)
  assert.equal(at('b').reading(), { text: 'Because of ', seq: 1, faults: [] })
  at('a').say('scattering.')
  await deliver((_, __, { name }) => name === 'reply.delta')
  at('a').tell('reply.finished', finished('Because of scattering.'))
  await deliver()
  assert.equal(at('b').reading(), { text: 'Because of scattering.', seq: 2, faults: [] })
})

test('a reply goes on where it runs while its conversation moves, and everybody hears it whole', async () => {
  const { at, deliver, move } = fleet('a', 'b', 'c')
  for (const name of ['a', 'b', 'c']) at(name).watch()
  await deliver()
  at('a').tell('turn.started')
  at('a').say('Because ')
  await deliver()
  await move('b')
  await deliver()
  // The new owner knows all of it before another word is said.
  assert.is(at('b').speech.text, 'Because ')
  at('a').say('of ')
  await deliver()
  at('a').say('scattering.')
  await deliver()
  at('b').tell('reply.finished', finished('Because of scattering.'))
  at('b').tell('turn.finished')
  await deliver()
  for (const name of ['a', 'b', 'c']) assert.equal(at(name).reading(), { text: 'Because of scattering.', seq: 3, faults: [] }, name)
})

test('words that an owner took with it reach the watchers of the node that speaks, when the conversation comes back to it', async () => {
  const { at, deliver, move } = fleet('a', 'b', 'c')
  at('a').watch()
  at('c').watch()
  await deliver()
  at('a').tell('turn.started')
  at('a').say('Because ')
  await deliver()
  await move('b')
  await deliver()
  // Said to an owner who is dead by the time.
  at('a').say('of ')
  await deliver((_, to) => to === 'b')
  await move('a', { dead: 'b' })
  at('a').say('scattering.')
  await deliver()
  for (const name of ['a', 'c']) assert.equal(at(name).reading(), { text: 'Because of scattering.', seq: 1, faults: [] }, name)
})

test('an answer that was overtaken by the end says nothing more', async () => {
  const { at, deliver, clock } = fleet('a', 'b')
  at('b').watch()
  await at('b').relay.stands('t', 'c')
  at('a').tell('turn.started')
  at('a').say('Because.')
  // The owner answers the watch while it speaks; the answer comes only after all the rest.
  const late: [string, string, Letter][] = []
  await deliver((from, to, letter) => letter.type === 'watched' && late.push([from, to, letter]) > 0)
  at('a').tell('reply.finished', finished('Because.'))
  at('a').tell('turn.finished')
  await clock.pass(500)
  await deliver()
  assert.equal(at('b').reading().faults, [])
  for (const [from, , letter] of late) at('b').relay.hear({ node: from, life: from }, letter)
  await deliver()
  const { faults, seq } = at('b').reading()
  assert.equal([faults, seq], [[], 3])
})

test('an answer that a page has overtaken says nothing of a reply whose end the page has', async () => {
  const { at, deliver } = fleet('a', 'b')
  at('a').tell('turn.started')
  at('a').say('Because.')
  at('b').watch()
  const late: [string, string, Letter][] = []
  await deliver((from, to, letter) => letter.type === 'watched' && late.push([from, to, letter]) > 0)
  at('a').tell('reply.finished', finished('Because.'))
  at('a').tell('turn.finished')
  await deliver(() => true)
  // Whoever joins here does not wait for the owner for ever.
  await at('b').relay.stands('t', 'c', 3)
  for (const [from, , letter] of late) at('b').relay.hear({ node: from, life: from }, letter)
  await deliver()
  assert.equal([late.length, at('b').heard], [1, []])
})

test('a page that was read while a new owner looked has the end of a reply, and nothing of it is told behind', async () => {
  const { at, world, stored, clock } = fleet('b', 'a')
  at('a').watch()
  await clock.pass(0)
  at('a').say('Because.')
  let read = () => {}
  world.reading = new Promise((resolve) => {
    read = resolve
  })
  world.owner = 'a'
  at('a').relay.gained(all)
  at('a').speech.over = true
  stored.push({ seq: 1, name: 'reply.finished', payload: finished('Because.') }, { seq: 2, name: 'turn.finished', payload: {} })
  await at('a').relay.stands('t', 'c', 2)
  read()
  await clock.pass(0)
  assert.equal(at('a').heard, [])
})

test('where no owner answers the store tells what is durable, from the moment in which the watch began', async () => {
  const { at, deliver, clock, stored } = fleet('a', 'b')
  stored.push({ seq: 1, name: 'turn.started', payload: { turn: 't0' } })
  at('b').watch()
  await at('b').relay.stands('t', 'c')
  stored.push({ seq: 2, name: 'turn.finished', payload: { turn: 't0' } })
  for (let beats = 0; beats < 6; beats++) {
    await clock.pass(500)
    await deliver(() => true)
  }
  assert.equal(
    at('b').heard.map(({ name }) => name),
    ['turn.finished'],
  )
})

test('a store that is away when the conversation comes to us is read once it is back', async () => {
  const { at, deliver, move, world, stored, clock } = fleet('a', 'b')
  at('b').watch()
  await deliver()
  at('a').tell('turn.started')
  await deliver()
  stored.push({ seq: 2, name: 'turn.finished', payload: { turn: 't1' } })
  world.away = true
  await move('b', { dead: 'a' })
  assert.is(at('b').reading().seq, 1)
  world.away = false
  await clock.pass(500)
  await deliver()
  assert.equal(at('b').reading(), { text: '', seq: 2, faults: [] })
})

test('frames of an owner who was replaced are not heard', async () => {
  const { at, deliver, move, world } = fleet('a', 'b', 'c')
  at('c').watch()
  await deliver()
  at('a').tell('turn.started')
  await deliver()
  await move('b')
  await deliver()
  at('c').relay.hear(
    { node: 'a', life: 'a' },
    { type: 'frame', room, epoch: world.epoch - 1, name: 'reply.delta', payload: delta(0, 'ghost') },
  )
  at('c').relay.hear(
    { node: 'b', life: 'b' },
    { type: 'frame', room, epoch: world.epoch - 1, name: 'reply.delta', payload: delta(0, 'ghost') },
  )
  assert.equal(at('c').reading(), { text: '', seq: 1, faults: [] })
  assert.is(at('c').relay.counts().stale, 2)
})

test('the answer of an owner who was replaced is not believed, by whoever watches or owns', async () => {
  const { at, deliver, move, world } = fleet('a', 'b', 'c')
  for (const name of ['b', 'c']) at(name).watch()
  await deliver()
  at('a').tell('turn.started')
  await deliver()
  await move('b', { dead: 'a' })
  await deliver()
  const late = { type: 'watched', room, epoch: world.epoch - 1, seq: 1, live: { turn: 't1', attempt: 1, text: 'ghost' } }
  for (const name of ['b', 'c']) at(name).relay.hear({ node: 'a', life: 'a' }, late)
  at('b').say('Because of scattering.')
  at('b').tell('reply.finished', finished('Because of scattering.'))
  await deliver()
  for (const name of ['b', 'c']) assert.equal(at(name).reading(), { text: 'Because of scattering.', seq: 2, faults: [] }, name)
})

test('who watches what rests here misses nothing of what the next owner tells before it is asked', async () => {
  const { at, deliver, move, stored } = fleet('a', 'b')
  stored.push({ seq: 1, name: 'turn.finished', payload: { turn: 't0' } })
  at('a').watch()
  await move('b')
  at('b').tell('turn.started')
  await deliver()
  assert.equal(
    at('a').heard.map(({ name }) => name),
    ['turn.started'],
  )
})

test('an owner that cannot yet say who may speak asks again in a while, and not as fast as it can', async () => {
  const { at, deliver, move, clock } = fleet('a', 'b')
  at('b').watch()
  await deliver()
  at('a').tell('turn.started')
  at('a').say('Because ')
  at('b').told.wants = undefined
  await move('b')
  let asked = 0
  const count = (_: string, __: string, { type }: Letter) => {
    if (type === 'words.missed' && ++asked > 20) throw new Error('it is asked without end')
    return false
  }
  await deliver(count)
  assert.is(asked, 0)
  await clock.pass(500)
  await deliver(count)
  assert.equal([asked, at('b').reading().text], [1, ''])
  at('b').told.wants = true
  await clock.pass(500)
  await deliver(count)
  assert.equal([asked, at('b').reading().text], [1, 'Because '])
})

test('a new owner is told of words behind whatever tells it that it is one', async () => {
  const { at, deliver, world, underWay, clock } = fleet('a', 'b')
  at('a').tell('turn.started')
  at('a').say('Because ')
  await deliver()
  world.owner = 'b'
  world.epoch++
  at('a').relay.lost(all)
  at('a').relay.charted()
  assert.equal(underWay(), []) // here it is told
  await clock.pass(0)
  assert.equal(underWay(), ['said'])
})

test('where new owners cannot be told what is said here, that stands in the log and ends nothing', async () => {
  const { at, deliver, move, underWay, clock } = fleet('a', 'b')
  at('b').watch()
  await deliver()
  at('a').tell('turn.started')
  at('a').say('Because ')
  at('a').told.isBroken = true
  await move('b')
  assert.equal(at('a').errors, ['new owners could not be told what is said here for them'])
  await deliver(() => true)
  at('a').told.isBroken = false
  at('a').relay.charted()
  await clock.pass(0)
  assert.equal(underWay(), ['said'])
  await deliver()
  at('a').say('of scattering.')
  await deliver()
  assert.equal([at('b').reading().text, at('a').errors.length], ['Because of scattering.', 1])
})

test('an owner of a version before, which names work by its number alone, is told all that was said for it', async () => {
  const { at, deliver, move } = fleet('a', 'b')
  at('b').watch()
  await deliver()
  at('a').tell('turn.started')
  at('a').say('Because ')
  await move('b')
  await deliver(() => true)
  at('a').relay.hear({ node: 'b', life: 'b' }, { type: 'words.missed', work: WORK })
  await deliver()
  assert.equal(at('b').reading(), { text: 'Because ', seq: 1, faults: [] })
})

test('an owner that has a conversation back is heard by those who never knew of the one between', async () => {
  const { at, deliver, move } = fleet('a', 'b', 'c')
  at('b').watch()
  await deliver()
  at('a').tell('turn.started')
  at('a').say('Because ')
  await deliver()
  await move('c', { isKnown: (node) => node !== 'b' })
  await deliver()
  await move('a', { dead: 'c' })
  await deliver()
  at('a').say('of scattering.')
  at('a').tell('reply.finished', finished('Because of scattering.'))
  at('a').tell('turn.finished')
  await deliver()
  assert.equal(at('b').reading(), { text: 'Because of scattering.', seq: 3, faults: [] })
})

test('a node that lives anew hears again what others tell', async () => {
  const { at, deliver } = fleet('a', 'b')
  at('b').watch()
  await deliver()
  at('a').tell('turn.started')
  await deliver()
  at('a').say('Because ')
  await deliver(() => true) // to a life that is over
  at('b').relay.anew()
  await deliver()
  assert.equal(at('b').reading(), { text: 'Because ', seq: 1, faults: [] })
})

test('what was not told while the lease was not proven is told afterwards', async () => {
  const { at, deliver, world, clock } = fleet('a', 'b')
  for (const name of ['a', 'b']) at(name).watch()
  await deliver()
  at('a').tell('turn.started')
  await deliver()
  world.isSilent = true
  at('a').tell('turn.finished')
  world.isSilent = false
  for (const name of ['a', 'b']) at(name).relay.resumed()
  await deliver()
  await clock.pass(500)
  for (const name of ['a', 'b']) assert.equal(at(name).reading().seq, 2, name)
})

test('where a page has shown the end of a reply, nothing is told of what its owner had not said of it', async () => {
  const { at, deliver, stored } = fleet('a', 'b', 'c')
  at('c').watch()
  await deliver()
  // The owner, which has the actor not at hand yet, is about to tell what these two see in the store.
  const text = 'Because of scattering.'
  stored.push({ seq: 1, name: 'reply.finished', payload: { turn: 't1', ...finished(text) } })
  for (const name of ['a', 'b']) at(name).watch()
  await at('a').relay.stands('t', 'c', 1)
  await deliver()
  at('a').relay.publish({ room, name: 'reply.delta', payload: delta(0, text), isRest: true })
  at('a').relay.publish({ room, name: 'reply.finished', payload: { conversation: place.actor, seq: 1, turn: 't1', ...finished(text) } })
  await deliver()
  for (const name of ['a', 'b']) assert.equal(at(name).heard, [], name)
  assert.equal(at('c').reading(), { text, seq: 1, faults: [] })
})

test('what an owner in doubt did not tell is told once it is in none, on all nodes', async () => {
  const { at, deliver, world, clock } = fleet('a', 'b')
  for (const name of ['a', 'b']) at(name).watch()
  await deliver()
  at('a').tell('turn.started')
  at('a').say('Because ')
  await deliver()
  world.isDoubtful = true
  at('a').say('of the ')
  await deliver()
  for (const name of ['a', 'b']) assert.is(at(name).reading().text, 'Because ', name)
  world.isDoubtful = false
  at('a').relay.resumed()
  await deliver()
  await clock.pass(500)
  await deliver()
  for (const name of ['a', 'b']) assert.is(at(name).reading().text, 'Because of the ', name)
  at('a').say('moon.')
  await deliver()
  for (const name of ['a', 'b']) assert.equal(at(name).reading(), { text: 'Because of the moon.', seq: 1, faults: [] }, name)
})

test('words that come while a new owner reads are told behind the events that came before them', async () => {
  const { at, world, stored, clock } = fleet('b', 'a')
  at('a').watch()
  await at('a').relay.stands('t', 'c', 0)
  stored.push({ seq: 1, name: 'turn.finished', payload: { turn: 't0' } })
  let list = () => {}
  world.listing = new Promise((resolve) => {
    list = resolve
  })
  world.owner = 'a'
  at('a').relay.gained(all)
  await clock.pass(0)
  // In the midst of the reading.
  at('a').tell('turn.started')
  at('a').say('Because.')
  list()
  await clock.pass(0)
  assert.equal(
    at('a').heard.map(({ name }) => name),
    ['turn.finished', 'turn.started', 'reply.delta'],
  )
})

test('an answer that comes while the store is read is asked for once more', async () => {
  const { at, deliver, clock, world } = fleet('a', 'b')
  at('b').watch()
  await deliver()
  at('a').tell('turn.started')
  await deliver()
  let read = () => {}
  world.reading = new Promise((resolve) => {
    read = resolve
  })
  // Long enough to count as silent; then it answers after all, while the store is read.
  await clock.pass(3_500)
  await deliver()
  read()
  await clock.pass(1_500)
  await deliver()
  const before = world.reads
  for (let beats = 0; beats < 4; beats++) {
    await clock.pass(500)
    await deliver()
  }
  assert.is(world.reads - before, 0, 'the owner tells again, and the store is left in peace')
})

test('words of a turn whose end a page has shown already are told to nobody', async () => {
  const { at, world, deliver } = fleet('a', 'b')
  let read = () => {}
  world.reading = new Promise((resolve) => (read = resolve))
  at('b').watch()
  await deliver() // the owner has said nothing yet, and does not know how far its words are: the store is asked, slowly
  at('a').tell('turn.started')
  at('a').say('Because.')
  at('a').tell('reply.finished', finished('Because.'))
  at('a').tell('turn.finished')
  await deliver()
  read()
  await deliver()
  assert.equal(at('b').heard, [])
  at('a').tell('turn.started', { turn: 't2' })
  await deliver()
  assert.equal(
    at('b').heard.map(({ name }) => name),
    ['turn.started'],
  )
})

test.run()
