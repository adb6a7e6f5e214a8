/** Ours beside what somebody might write or take instead, each with the same people before it and the same model behind it. */
import type { Benchmark, Row } from './bench.ts'
import { startWorker, type Worker } from './worker.ts'

const PACE = 16 // milliseconds between two tokens: about sixty a second
const names = ['nexus', 'tutorial', 'ai'] as const
type Name = (typeof names)[number]

export const sideBySide: Benchmark = {
  name: 'side-by-side',
  about: 'a turn of 300 tokens at 60 a second, whole: sockets, model, store; bare: the tutorial, then streamText of the AI SDK',
  async run({ short }) {
    const people = short ? 10 : 100
    const tokens = short ? 30 : 300
    const double = startWorker(import.meta.resolve('./double.ts'))
    const clients = startWorker(import.meta.resolve('./side-by-side.clients.ts'))
    const servers = Object.fromEntries(
      names.map((name) => [name, startWorker(import.meta.resolve(`./side-by-side.${name}.server.ts`))]),
    ) as Record<Name, Worker>
    const figures: Record<Name, number[]> = { nexus: [], tutorial: [], ai: [] }
    try {
      const { chat } = await double.ask<{ chat: string }>('urls')
      await double.ask('script', { tokens, pace: PACE })
      for (const name of names) await clients.ask('come', { name, url: await servers[name].ask('start', chat), people })
      for (let round = -1; round < (short ? 1 : 4); round++) {
        for (const name of names) {
          const before = await servers[name].ask<number>('cpu')
          const heard = await clients.ask<number>('ask', { name, tokens, spread: (tokens * PACE) / 4 })
          const spent = (await servers[name].ask<number>('cpu')) - before
          if (round >= 0) figures[name].push(spent / heard)
        }
      }
    } finally {
      for (const worker of [double, clients, ...Object.values(servers)]) await worker.close()
    }
    const { nexus: ours, tutorial, ai } = figures
    const against = (what: string, bare: number[], most: number): Row => ({ what, unit: 'µs', ours, bare, bar: { of: 'ratio', most } })
    return [against('a token, beside Socket.IO and the OpenAI SDK', tutorial, 1.5), against('a token, beside the AI SDK', ai, 1)]
  },
}
