/**
 * Streams at an even pace from one timer, so that the source costs next to nothing beside what is measured. Each is a provider's
 * stream that waits until the pace is set, says one token whenever it is its turn, and ends when told.
 */
import type { ModelEvent, Provider } from '../../actors/models/model.ts'
import { wordAt } from './double.words.ts'

interface Stream {
  at: number
  queue: ModelEvent[]
  wake?: ((event: ModelEvent) => void) | undefined
}

export interface Paced {
  provider: Provider
  /** Streams that are open. */
  count(): number
  /** Every stream says so many tokens a second for so many milliseconds, one after the other. Resolves with how many were said. */
  say(tokensPerSecond: number, ms: number): Promise<number>
  /** Goes on saying so many tokens a second until the end. */
  drip(tokensPerSecond: number): void
  end(): void
}

const NOTCH = 4

export function paced(): Paced {
  const streams = new Set<Stream>()

  function tell(stream: Stream, event: ModelEvent) {
    const { wake } = stream
    if (!wake) return void stream.queue.push(event)
    stream.wake = undefined
    wake(event)
  }

  /** By hand and not a generator: the next event costs one promise. */
  function open(): AsyncIterable<ModelEvent> {
    const stream: Stream = { at: streams.size, queue: [{ t: 'start', provider: 'offline', model: 'paced' }] }
    streams.add(stream)
    let over = false
    const next = async (): Promise<IteratorResult<ModelEvent>> => {
      if (over) return { done: true, value: undefined }
      const value = stream.queue.shift() ?? (await new Promise<ModelEvent>((resolve) => void (stream.wake = resolve)))
      if (value.t === 'end') over = true
      return { done: false, value }
    }
    const close = async (): Promise<IteratorResult<ModelEvent>> => {
      over = true
      streams.delete(stream)
      return { done: true, value: undefined }
    }
    return { [Symbol.asyncIterator]: () => ({ next, return: close }) }
  }

  let dripping: NodeJS.Timeout | undefined

  return {
    provider: { name: 'offline', stream: open },
    count: () => streams.size,
    say: (tokensPerSecond, ms) =>
      new Promise((resolve) => {
        const all = [...streams]
        const began = performance.now()
        let said = 0
        const timer = setInterval(() => {
          const elapsed = performance.now() - began
          const due = Math.floor((Math.min(elapsed, ms) / 1000) * tokensPerSecond * all.length)
          for (; said < due; said++) {
            const stream = all[said % all.length] as Stream
            tell(stream, { t: 'text', d: wordAt(stream.at++) })
          }
          if (elapsed < ms) return
          clearInterval(timer)
          resolve(said)
        }, NOTCH)
      }),
    drip(tokensPerSecond) {
      let next = 0
      const each = () => {
        const all = [...streams]
        const due = Math.ceil((all.length * tokensPerSecond * NOTCH) / 1000)
        for (let said = 0; said < due; said++, next++) {
          const stream = all[next % all.length]
          if (stream) tell(stream, { t: 'text', d: wordAt(stream.at++) })
        }
      }
      dripping = setInterval(each, NOTCH)
    },
    end() {
      clearInterval(dripping)
      for (const stream of streams) tell(stream, { t: 'end', reason: 'stop', raw: 'stop' })
    },
  }
}
