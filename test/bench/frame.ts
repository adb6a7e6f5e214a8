/** What a frame costs on its way to one room, against the bare emit. */
import { type Benchmark, interleaved } from './bench.ts'
import { startWorker } from './worker.ts'

const READERS = 100
/** Frames to each room before the readers have to have heard them all: far below what a socket would queue. */
const BURST = 25

export const frame: Benchmark = {
  name: 'frame',
  about: 'a frame to one room: offset, stream log, bus, mirror, emit; bare: `io.to(room).emit` of the same payload',
  async run({ short }) {
    const bursts = short ? 4 : 30
    const server = startWorker(import.meta.resolve('./frame.server.ts'))
    const clients = startWorker(import.meta.resolve('./clients.ts'))
    try {
      const conversations = await clients.ask<string[]>('join', { url: await server.ask<string>('url'), readers: READERS })
      const side = (way: 'ours' | 'bare') => async (round: number) => {
        let spent = 0
        for (let burst = 0; burst < bursts; burst++) {
          spent += await server.ask<number>(way, { conversations, times: BURST, round: round + 1 })
          await clients.ask('hear', { frames: READERS * BURST })
        }
        return spent / bursts
      }
      const figures = await interleaved({ rounds: short ? 2 : 7, ours: side('ours'), bare: side('bare') })
      return [{ what: 'a frame to one socket', unit: 'µs', ...figures, bar: { of: 'ratio', most: 1.5 } }]
    } finally {
      await server.close()
      await clients.close()
    }
  },
}
