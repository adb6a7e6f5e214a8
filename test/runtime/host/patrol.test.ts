/** What a node asks its store in its rounds, and what it does with the answers. The store is a small stand-in. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SHARDS } from '../../../runtime/cluster/shards.ts'
import { arm } from '../../../runtime/host/failpoint.ts'
import { createPatrol } from '../../../runtime/host/patrol.ts'
import { silent } from '../../../runtime/watch/log.ts'
import type { Database } from '../../../sql/database.ts'
import { handClock, settled } from '../../support/clock.ts'

const me = { node: 'one', life: 'life of one' }
const [SHARD, EPOCH] = [7, 3]
const ROUND = 2_000
const PORTION = 500
const REST = 60_000

/** `t/c`, an actor of a tenant, or `t/c#1`, a piece of its work. */
const read = (name: string) => {
  const [, tenant, actor, id = null] = /^(.+)\/([^#]+)(?:#(.+))?$/.exec(name) as unknown as [string, string, string, string?]
  return { tenant, actor, id }
}
const nameOf = ({ tenant, actor, id }: { tenant: string; actor: string; id: string }) => `${tenant}/${actor}#${id}`

function beat() {
  const clock = handClock()
  const world = {
    /** Actors for whom something waits. */
    waiting: [] as string[],
    /** How many pieces of work are left behind. */
    left: 0,
    /** Pieces under our name, and those of them that are done here. */
    claimed: [] as string[],
    running: [] as string[],
    away: false,
  }
  /** Answers to this question come behind that. */
  let held = { question: '', until: Promise.resolve() }
  const asked: string[] = []
  const taken: string[] = []
  const takenIn: string[] = []
  const given: string[][] = []
  const said: string[] = []
  let takeInEnds = (_isDone: boolean) => {}

  const answers: Record<string, (...given: never[]) => object[]> = {
    look_after(shards: number[] | null, life: string | null, most: number, tenants: string[], actors: string[]) {
      asked.push(`${shards} ${life} ${most}${actors.map((actor, at) => ` but ${tenants[at]}/${actor}`).join('')}`)
      return [
        ...world.waiting.map((name) => ({ what: 'waiting', ...read(name) })),
        ...(world.left > 0 ? [{ what: 'left', tenant: null, actor: null, id: null }] : []),
        ...(life === null ? [] : world.claimed.map((name) => ({ what: 'claimed', ...read(name) }))),
      ]
    },
    adopt_effects(shards: number[], epochs: number[], node: string, life: string, most: number) {
      asked.push(`${shards} under ${epochs} for ${node}, ${life}, ${most}`)
      const portion = Array.from({ length: Math.min(world.left, most) }, (_, n) => read(`t/c#${world.left - n}`))
      world.left -= portion.length
      return portion
    },
    release_effects(life: string, tenants: string[], actors: string[], ids: string[]) {
      asked.push(`release of ${life}`)
      given.push(actors.map((actor, at) => `${tenants[at]}/${actor}#${ids[at]}`))
      return [{ given: actors.length }]
    },
  }
  const sql = async ({ raw }: TemplateStringsArray, ...values: never[]) => {
    const question = Object.keys(answers).find((name) => raw.join().includes(`${name}(`)) as string
    const answer = answers[question]?.(...values)
    if (question === held.question) await held.until
    if (world.away) throw new Error('the store is away')
    return answer
  }

  const patrol = createPatrol({
    db: { sql } as unknown as Database,
    ownership: { me, shards: SHARDS, held: () => [{ shard: SHARD, epoch: EPOCH }] },
    clock,
    log: {
      ...silent,
      info: (what, sentence) => void said.push(`${(what as { pieces: number }).pieces}: ${sentence}`),
      warn: (_, sentence) => void said.push(sentence),
    },
    take: (piece) => void taken.push(nameOf(piece)),
    isRunning: (piece) => world.running.includes(nameOf(piece)),
    takeIn(tenant, actor) {
      takenIn.push(`${tenant}/${actor}`)
      return new Promise((resolve) => {
        takeInEnds = resolve
      })
    },
  })
  return {
    clock,
    patrol,
    world,
    asked,
    taken,
    takenIn,
    given,
    said,
    /** What was taken in last is applied, or not. */
    ends: (isDone: boolean) => takeInEnds(isDone),
    round: () => clock.pass(ROUND),
    /** The store does not answer this question before that is called. */
    hold(question: string) {
      let letGo = () => {}
      const until = new Promise<void>((resolve) => {
        letGo = resolve
      })
      held = { question, until }
      return async () => {
        letGo()
        await settled()
      }
    },
  }
}

test('one question at rest', async () => {
  const { patrol, clock, asked, said, world, round } = beat()
  world.claimed = ['t/c#1']
  world.running = ['t/c#1']
  await patrol.start()
  assert.equal(asked.splice(0), [`${SHARD} null ${PORTION}`])
  for (let rounds = 0; rounds < 3; rounds++) {
    await round()
    assert.equal(asked.splice(0), [`${SHARD} ${me.life} ${PORTION}`])
  }
  await clock.pass(ROUND - 1)
  assert.equal([asked, said], [[], []])
})

for (const when of ['in a round', 'when something came to us'])
  test(`left behind is taken to its end and what waits is taken in, ${when}`, async () => {
    const { patrol, clock, world, asked, taken, takenIn, said, round, ends } = beat()
    const look = () => (when === 'in a round' ? round() : patrol.look())
    await patrol.start()
    world.left = 2 * PORTION + 1
    world.waiting = ['t/a', 't/b', 'u/a']
    asked.length = 0
    await look()
    const adoption = `${SHARD} under ${EPOCH} for one, ${me.life}, ${PORTION}`
    assert.equal(asked.splice(0).slice(1), [adoption, adoption, adoption])
    assert.equal([taken.length, new Set(taken).size, world.left], [1_001, 1_001, 0])
    assert.equal(
      said.splice(0),
      [PORTION, PORTION, 1].map((pieces) => `${pieces}: went on with work that was left behind`),
    )
    assert.equal(takenIn.splice(0), ['t/a', 't/b', 'u/a'])
    // The next look does not ask for them; an answer that was on its way is of the time before.
    await look()
    assert.match(asked.splice(0).join(), / but t\/a but t\/b but u\/a$/)
    assert.equal([takenIn, taken.length], [[], 1_001])
    ends(true)
    await look()
    assert.equal(takenIn.splice(0), ['u/a'])
    ends(false)
    await clock.pass(REST - 2 * ROUND)
    await look()
    assert.equal(takenIn, [], 'what could not be applied rests')
    await clock.pass(2 * ROUND)
    await look()
    assert.equal(takenIn, ['u/a'])
    assert.equal(said, [])
  })

test('somebody else was quicker with what is left behind', async () => {
  const { patrol, world, taken, said, hold } = beat()
  await patrol.start()
  world.left = 1
  const answer = hold('look_after')
  const looks = [patrol.look(), patrol.look()]
  await answer()
  await Promise.all(looks)
  assert.equal([taken, said], [['t/c#1'], ['1: went on with work that was left behind']])
})

test('work that nobody does here is given back in the second round, once', async () => {
  const { patrol, world, given, said, asked, round } = beat()
  await patrol.start()
  world.claimed = ['t/a#1', 't/b#1', 't/c#1', 't/c#2', 'u/c#1']
  world.running = ['t/b#1', 't/c#2', 'u/c#1']
  await round()
  await patrol.look()
  assert.equal(given, [])
  // Not one that has begun since, and of those that have ended none yet.
  world.running = ['t/c#1']
  await round()
  assert.equal(given.splice(0), [['t/a#1']])
  assert.ok(asked.includes(`release of ${me.life}`))
  assert.equal(said.splice(0), ['1: gave work back that nobody did here'])
  await round()
  assert.equal(given.splice(0), [['t/b#1', 't/c#2', 'u/c#1']])
  // It came back to us, and its end cannot be told.
  world.running = ['t/a#1', 't/c#1']
  await round()
  world.running = ['t/c#1']
  for (let rounds = 0; rounds < 3; rounds++) await round()
  assert.equal(given, [])
  // It was done elsewhere for a while.
  world.claimed = ['t/c#1']
  await round()
  world.claimed = ['t/a#1', 't/c#1']
  await round()
  assert.equal(given, [])
  await round()
  assert.equal(given, [['t/a#1']])
})

test('a node that stops takes nothing over', async () => {
  for (const way of ['start', 'round', 'look'] as const) {
    const { patrol, clock, world, asked, taken, takenIn, round, hold } = beat()
    if (way !== 'start') await patrol.start()
    world.left = 1
    world.waiting = ['t/a']
    const answer = hold('look_after')
    const look = way === 'round' ? round() : patrol[way]()
    await settled()
    asked.length = 0
    let isOver = false
    const over = patrol.stop().then(() => {
      isOver = true
    })
    await settled()
    assert.is(isOver, way !== 'round', 'a round comes to its end first')
    await answer()
    await Promise.all([look, over])
    await patrol.look()
    await clock.pass(3 * ROUND)
    assert.equal([asked, taken, takenIn, clock.waiting()], [[], [], [], 0], way)
  }
})

test('a node that stops at rest begins no other round', async () => {
  const { patrol, clock, asked } = beat()
  await patrol.start()
  await patrol.stop()
  asked.length = 0
  await clock.pass(3 * ROUND)
  assert.equal([asked, clock.waiting()], [[], 0])
})

test('a node that stops in the midst of a takeover leaves the rest to others', async () => {
  const { patrol, world, asked, taken, hold } = beat()
  await patrol.start()
  world.left = PORTION + 1
  const answer = hold('adopt_effects')
  const look = patrol.look()
  await settled()
  asked.length = 0
  await patrol.stop()
  await answer()
  await look
  assert.equal([asked, taken.length, world.left], [[], PORTION, 1])
})

for (const question of ['adopt_effects', 'release_effects'])
  test(`a node that stops waits for what its round has asked (${question})`, async () => {
    const { patrol, world, round, hold } = beat()
    await patrol.start()
    world.claimed = ['t/c#1']
    await round()
    world.left = 1
    const answer = hold(question)
    await round()
    let isOver = false
    const over = patrol.stop().then(() => {
      isOver = true
    })
    await settled()
    assert.is(isOver, false)
    await answer()
    await over
  })

test('the failpoint of a takeover comes before its pieces are begun, and where there are none it is not reached', async () => {
  const { patrol, world, taken } = beat()
  await patrol.start()
  arm([{ point: 'start.adopting', nth: 2, act: 'throw', ms: 0 }])
  try {
    world.left = 1
    await Promise.all([patrol.look(), patrol.look()])
    world.left = 2
    await patrol.look()
    assert.equal(taken, ['t/c#1'])
  } finally {
    arm([])
  }
})

test('a store that is away is told of, and asked again in the next round', async () => {
  const { patrol, world, taken, said, round } = beat()
  await patrol.start()
  world.left = 1
  world.away = true
  await round()
  await patrol.look()
  assert.equal(said.splice(0), Array(2).fill('the patrol could not reach the store'))
  world.away = false
  await round()
  assert.equal(taken, ['t/c#1'])
})

test.run()
