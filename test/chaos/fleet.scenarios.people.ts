/** What comes from outside: models that fail, people who read slowly, repeat themselves, send poison, or come all at once. */
import { quantile } from './bound.ts'
import { HERD, gather } from './fleet.herd.ts'
import { type FleetScenario, moment, recovered, whole } from './fleet.scenario.ts'
import { now } from './journal.ts'
import { question } from './talker.ts'

/** Milliseconds that an answer over plain HTTP may take: the double needs two seconds at most. */
const PATIENCE = 30_000

type Answer = { status: number; text: string }

/** Status 0: there was no answer. */
async function post(url: string, body: string | Uint8Array<ArrayBuffer>): Promise<Answer> {
  try {
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(url, { method: 'POST', body, headers, signal: AbortSignal.timeout(PATIENCE) })
    return { status: response.status, text: await response.text() }
  } catch (error) {
    return { status: 0, text: String((error as Error).cause ?? error) }
  }
}

/** Bodies that no door may stumble over. */
const poisons: readonly [name: string, body: () => string | Uint8Array<ArrayBuffer>][] = [
  ['ten megabytes', () => JSON.stringify({ message: 'x'.repeat(10_000_000) })],
  ['a hundred thousand brackets', () => `{"message":${'['.repeat(100_000)}${']'.repeat(100_000)}}`],
  ['half a surrogate', () => '{"message":"\\ud83c"}'],
  ['bytes that are no text', () => Uint8Array.from([...new TextEncoder().encode('{"message":"'), 0xff, 0xfe, 0x00, 0x22, 0x7d])],
  ['a name of the prototype', () => '{"message":"hello","__proto__":{"role":"owner"},"constructor":{"prototype":{}}}'],
  ['no JSON', () => '{"message": '],
  ['a text of zeros', () => JSON.stringify({ message: '\u0000'.repeat(100) })],
]

/** Waits until something has been seen more often than before. */
async function seen(count: () => number | Promise<number>, ms: number): Promise<boolean> {
  const before = await count()
  for (let waited = 0; waited < ms; waited += 50) {
    await moment(50)
    if ((await count()) > before) return true
  }
  return false
}

export const peopleScenarios: readonly FleetScenario[] = [
  {
    name: 'provider',
    fault: 'F17–F19',
    about: 'of the model calls 30 % end in 429, 500, silence, a cut or garbage',
    holds: ['live', 'bytes', 'cost'],
    figure: 'none',
    manner: { spoiled: 30 },
    async strike(stage) {
      const before = (await stage.spoiled()).length
      return (await seen(async () => (await stage.spoiled()).length, 20_000))
        ? { what: (await stage.spoiled())[before] as string }
        : undefined
    },
  },
  {
    name: 'reader',
    fault: 'F20',
    about: 'readers stop reading for 0.3 to 2.3 s in the middle of a megabyte, wherever it is written',
    holds: ['bytes', 'live'],
    figure: 'none',
    clients: 4,
    manner: { long: true },
    habits: { stalls: 1, stops: 0, losesAnswer: 0, most: 1 },
    strike: async ({ journal }) => ((await seen(() => journal.count('stalled'), 20_000)) ? {} : undefined),
  },
  {
    name: 'twice',
    fault: 'F22',
    about: 'the same message comes ten times at once, at different nodes',
    holds: ['once'],
    figure: 'none',
    async strike(stage) {
      const { nodes } = stage.fleet
      const [conversation, id] = [crypto.randomUUID(), crypto.randomUUID()]
      const talk = stage.journal.begin(conversation, 'sse')
      const body = JSON.stringify({ session_id: conversation, message: question(id), message_id: id })
      stage.journal.keep(talk, { t: 'sent', at: now(), id, text: question(id), tries: 1 })
      const answers = await Promise.all(Array.from({ length: 10 }, (_, at) => post(`${nodes[at % nodes.length]?.url}/v1/chat`, body)))
      for (const { status, text } of answers)
        if (status !== 200) stage.blame('once', `one of ten copies of ${id} was answered with ${status}: ${text.slice(0, 200)}`)
      const told = answers.filter(({ status }) => status === 200)
      if (told.length > 0) stage.journal.keep(talk, { t: 'accepted', at: now(), id })
      const replies = new Set(told.map(({ text }) => (JSON.parse(text) as { message: string }).message))
      if (replies.size > 1) stage.blame('once', `ten copies of ${id} got ${replies.size} different answers`)
      const bought = (await stage.generations()).filter(({ ref }) => ref === id).length
      if (bought > 1) stage.blame('cost', `ten copies of ${id} bought ${bought} generations`)
      return {}
    },
  },
  {
    name: 'shuffled',
    fault: 'F23',
    about: 'eight messages of one person come at once in any order, at different nodes, some of them late and some twice',
    holds: ['once', 'order', 'loss'],
    figure: 'none',
    async strike(stage) {
      const { nodes } = stage.fleet
      const conversation = crypto.randomUUID()
      const talk = stage.journal.begin(conversation, 'sse')
      const ids = Array.from({ length: 8 }, () => crypto.randomUUID())
      for (const id of ids) stage.journal.keep(talk, { t: 'sent', at: now(), id, text: question(id), tries: 1 })
      const twice = ids.filter(() => stage.chance.below(3) === 0)
      const comings = [...ids, ...twice].map((id) => ({ id, after: stage.chance.below(300), url: stage.chance.pick(nodes).url }))
      const answers = new Map<string, string>()
      await Promise.all(
        comings.map(async ({ id, after, url }) => {
          await moment(after)
          const body = JSON.stringify({ session_id: conversation, message: question(id), message_id: id })
          const { status, text } = await post(`${url}/v1/chat`, body)
          if (status !== 200) return stage.blame('loss', `${id} was answered with ${status}: ${text.slice(0, 200)}`)
          stage.journal.keep(talk, { t: 'accepted', at: now(), id })
          const { message } = JSON.parse(text) as { message: string }
          if ((answers.get(id) ?? message) !== message) stage.blame('once', `two copies of ${id} got different answers`)
          answers.set(id, message)
        }),
      )
      return {}
    },
  },
  {
    name: 'poison',
    fault: 'F24',
    about: 'a body that is too large, too deep or no text, at every node at once',
    holds: ['live'],
    figure: 'from the poison to the next word of everybody else',
    async strike(stage) {
      const [name, body] = stage.chance.pick(poisons)
      stage.struck()
      const answers = await Promise.all(stage.fleet.nodes.map(({ url }) => post(`${url}/v1/chat`, body())))
      // A server may hang up on whoever sends ten megabytes.
      for (const { status, text } of answers)
        if (status >= 500) stage.blame('live', `${name} was answered with ${status}: ${text.slice(0, 200)}`)
      for (const node of stage.fleet.nodes) if (!node.alive()) stage.blame('live', `${node.name} has died of ${name}`)
      await recovered(stage, 20_000)
      return { what: name }
    },
  },
  {
    name: 'herd',
    fault: 'F25',
    about: `${HERD} more sockets are spread over the nodes, one of which is killed: all of its own come back at once`,
    holds: ['live', 'bytes'],
    figure: 'from the kill to the first word of the next attempt, in the conversations that it owned',
    most: 5,
    async strike(stage) {
      const herd = await gather(stage)
      try {
        const { node, speaking } = await stage.speaker()
        stage.cut(speaking)
        const back = herd.back(node.url)
        await node.kill()
        const times = await back
        if (times.length === 0) return undefined
        await recovered(stage, 20_000)
        await whole(stage)
        return {
          what: `${times.length} back after p50 ${Math.round(quantile(times, 0.5) ?? 0)} ms, at most ${Math.round(Math.max(...times))} ms`,
        }
      } finally {
        herd.close()
      }
    },
  },
]
