/** Lets a story happen, from the first act until nothing is left to be done, and hands out every journal that was kept. */
import type { Log } from '../../runtime/watch/log.ts'
import { chances } from './chance.ts'
import { type SimNode, createNode } from './node.ts'
import { createPeople, nobody, workLeft } from './people.ts'
import { createProviders } from './provider.ts'
import { type Act, type Story, isPersons, lasts } from './story.ts'
import type { Fate, SimStore, Weather } from './store.ts'
import { comeToRest } from './rest.ts'
import { START, type Time } from './time.ts'

type NodesAct = Extract<Act, { do: 'kill' | 'leave' | 'oust' | 'outage' }>

/** Milliseconds that a node has to be there, and to show what comes of the last trouble: a late statement is four seconds late at most. */
const START_UP = 200
const AFTERWARDS = 5_000
/** Timers that a node at rest may have: its rounds. */
export const RINGS = 8
export type Ended = Awaited<ReturnType<typeof play>>

export async function play(story: Story, { time, store, trace }: { time: Time; store: SimStore; trace?: (line: string) => void }) {
  await store.reset()
  time.restart(story.seed)
  const of = chances(story.seed)
  const lines: string[] = []
  const tell = (who: string, what: string) => {
    const line = `${String(time.now() - START).padStart(7)} ${who} ${what}`
    lines.push(line)
    trace?.(line)
  }
  const complaints: string[] = []
  const providers = createProviders(of, story.provider)
  let healed = false
  let away = 0
  let kills = 0
  const killed = new Set<SimNode>()
  let life = 0
  let ghosts = 0
  let node: SimNode

  const log: Log = {
    debug() {},
    info: (what, sentence) => tell('node', `${sentence} ${JSON.stringify(what)}`),
    warn: (what, sentence) => tell('node', `${sentence} ${describe(what)}`),
    error(what, sentence) {
      tell('node', `${sentence} ${describe(what)}`)
      complaints.push(`the log says: ${sentence} ${describe(what)}`)
    },
  }

  /** Kills that wait for their message with the store. */
  let fuses: { after: number; stage: 'sent' | 'done'; down: number }[] = []

  function wake() {
    const mine = ++life
    const chance = of('node', mine)
    const weather: Weather = {
      delay: () => chance.delay(0.2, healed ? 3 : story.store.slowest),
      fate: (): Fate =>
        !healed && chance.happens(story.store.breaking) ? chance.pick(['before', 'after', 'late', 'late'] as const) : 'ok',
      lateness: () => 5 + chance.below(4_000),
      isAway: () => away > time.now(),
      passed(stage) {
        for (const fuse of fuses) {
          if (fuse.stage !== stage || fuse.after-- > 0) continue
          fuses = fuses.filter((one) => one !== fuse)
          kill(fuse.down, `${stage} a message`)
          return
        }
      },
    }
    const made = createNode({
      name: story.renamed ? `n${mine}` : 'n1',
      life: mine,
      time,
      store,
      weather,
      providers,
      chance,
      limits: { residents: story.residents, perActor: story.perActor, perTenant: 1_000 },
      policy: story.policy,
      log,
      failed(error) {
        tell('node', `could not start: ${(error as Error).message}`)
        if (made === node) kill(1_000, 'its start failed')
      },
    })
    node = made
    tell('node', `life ${mine} begins`)
    void made.start()
  }

  function kill(down: number, why: string) {
    if (!node.isAlive()) return
    kills++
    tell('node', `is killed (${why})`)
    killed.add(node)
    node.kill()
    time.after(down, wake)
  }

  const people = createPeople({
    story,
    of,
    time,
    store,
    tell,
    door: () => (node.isOpen() ? node.door : nobody),
    engine: () => (node.isOpen() ? node.engine : undefined),
  })
  const { tabs } = people

  const acts: { [D in NodesAct['do']]: (act: Extract<NodesAct, { do: D }>) => void } = {
    kill({ after, stage, down }) {
      if (after === undefined || !stage) kill(down, 'at once')
      else fuses.push({ after, stage, down })
    },
    leave({ down }) {
      const mine = node
      if (!mine.isOpen()) return
      tell('node', 'leaves')
      void mine.stop(2_000).then((left) => {
        tell('node', 'has left')
        // What it left behind is bought again, as after a kill.
        if (left > 0) kills++
        // Killed on its way out, it is woken already: two lives of one name would both be let in.
        if (mine === node && !killed.has(mine)) time.after(down, wake)
      })
    },
    oust({ ms }) {
      const old = node
      if (!old.isOpen()) return
      kills++
      tell('node', 'counts as gone and goes on')
      old.oust()
      providers.disown(old.incarnation)
      wake()
      ghosts++
      time.after(ms, () => {
        old.kill()
        ghosts--
        tell('node', 'the one that counted as gone is gone')
        // What it committed on its way out was told to nobody here.
        for (const { connection } of tabs) connection.cut(false)
      })
    },
    outage({ ms }) {
      away = Math.max(away, time.now() + ms)
      node.cables.tear()
    },
  }

  wake()
  for (const act of story.acts)
    time.after(START_UP + act.at, () => {
      tell('act', JSON.stringify(act))
      if (isPersons(act)) people.act(act)
      else acts[act.do as NodesAct['do']]?.(act as never)
    })
  // The calm comes with the last act; nothing else moves where one is left out.
  await time.run(START + START_UP + Math.max(0, ...story.acts.map((act) => act.at + lasts(act) + AFTERWARDS)))
  tell('world', 'is healed')
  healed = true
  fuses = []
  providers.heal()

  const restless = await comeToRest({ time, store, whoIsAway, whatIsLeft, complaints })
  // A moment more, for frames that are still on their way, and for deadlines of calls that are over to find that out.
  await time.run(time.now() + 3_000)
  for (let looks = 0; looks < 10 && node!.holds().rings > RINGS; looks++) await time.run(time.now() + 7_000)

  function whoIsAway(): string {
    if (!node.isOpen()) return 'the node is not open'
    return ghosts > 0 ? 'a node that counts as gone goes on' : ''
  }

  async function whatIsLeft(): Promise<string> {
    const unserved = people.unserved()
    if (unserved) return unserved
    const left = await workLeft(store)
    // A statement that arrives late keeps the one session from all others until it is there.
    if (node.holds().waiting > 0) return `${node.holds().waiting} jobs that wait`
    return left || people.unheard()
  }

  const holds = node!.holds()
  const ended = { story, tabs, providers, kills, restless, holds, lines, complaints, seconds: (time.now() - START) / 1_000 }
  return {
    ...ended,
    /** Lets the last life go, and forgets it. */
    async close() {
      people.leave()
      await time.run(time.now() + 2_000)
      if (node.isAlive()) node.kill()
      await time.run(time.now() + 2_000)
    },
  }
}

function describe(what: object): string {
  const { err, ...rest } = what as { err?: Error }
  return `${err ? `${err.name}: ${err.message}` : ''} ${JSON.stringify(rest)}`
}
