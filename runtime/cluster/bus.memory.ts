/** The bus of a lone node: a call, no copy, no hop. */
import type { Log } from '../watch/log.ts'
import type { Bus, Frame } from './bus.ts'

/** A watch of its own for every caller, also when two bring the same function. */
interface Watch {
  hear(frame: Frame): void
}

export function memoryBus({ log }: { log?: Log } = {}): Bus {
  const rooms = new Map<string, Set<Watch>>()
  const waiting: Frame[] = []
  let telling = false

  function tell(frame: Frame) {
    const watches = rooms.get(frame.room)
    if (!watches) return
    const [first] = watches
    if (watches.size === 1 && first) return hear(first, frame)
    // Whoever comes while this frame is told hears the next one first.
    for (const watch of [...watches]) if (watches.has(watch)) hear(watch, frame)
  }

  function hear(watch: Watch, frame: Frame) {
    try {
      watch.hear(frame)
    } catch (error) {
      log?.error({ err: error, room: frame.room, event: frame.name }, 'a watcher failed')
    }
  }

  return {
    publish(frame) {
      waiting.push(frame)
      // What a watcher publishes while it hears comes after what the others have yet to hear.
      if (telling) return
      telling = true
      for (let next = waiting.shift(); next; next = waiting.shift()) tell(next)
      telling = false
    },
    watch(room, hear) {
      const watch = { hear }
      const watches = rooms.get(room) ?? new Set()
      rooms.set(room, watches.add(watch))
      return () => {
        watches.delete(watch)
        if (watches.size === 0 && rooms.get(room) === watches) rooms.delete(room)
      }
    },
    async close() {
      rooms.clear()
    },
  }
}
