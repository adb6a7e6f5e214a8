/** The bus of a lone node: a call, no copy, no hop. */
import type { Log } from '../watch/log.ts'
import type { Bus, Frame } from './bus.ts'

export function memoryBus({ log }: { log?: Log } = {}): Bus {
  const rooms = new Map<string, Set<(frame: Frame) => void>>()
  return {
    publish(frame) {
      const watchers = rooms.get(frame.room)
      if (!watchers) return
      for (const hear of watchers) {
        try {
          hear(frame)
        } catch (error) {
          log?.error({ err: error, room: frame.room, event: frame.name }, 'a watcher failed')
        }
      }
    },
    watch(room, hear) {
      const watchers = rooms.get(room) ?? new Set()
      rooms.set(room, watchers.add(hear))
      return () => {
        watchers.delete(hear)
        if (watchers.size === 0 && rooms.get(room) === watchers) rooms.delete(room)
      }
    },
    async close() {
      rooms.clear()
    },
  }
}
