/** Tells watchers what a committed step emitted, in order, and keeps speech and durable events in one line. */
import { isPrivate } from '../../machines/event.ts'
import { type Bus, roomOf } from '../cluster/bus.ts'
import type { Place } from '../cluster/place.ts'
import { restOf } from './rest.ts'
import { payloadOf } from './row.ts'
import type { Speeches } from './speech.ts'
import type { Emit } from './tree.ts'

interface Told {
  turn?: string
}

const turnEnds = new Set(['turn.finished', 'turn.failed', 'turn.stopped'])

export function createPublisher({ bus, speeches }: { bus: Bus; speeches: Speeches }) {
  /** One event, durable or not. Words held back go first: order is never traded for speed. */
  function tell({ tenant, actor }: Place, name: string, payload: Record<string, unknown>, durable: boolean) {
    const room = roomOf(tenant, actor)
    const told = payload as Told
    if (durable) speeches.flush(tenant, actor)
    if (name === 'reply.finished') speakRest(room, { tenant, actor }, payload)
    bus.publish({ room, name, payload })
    if (!told.turn) return
    if (name === 'reply.finished' || name === 'reply.retracted') speeches.close(tenant, actor, told.turn, false)
    if (turnEnds.has(name)) speeches.close(tenant, actor, told.turn, true)
  }

  /** A reply that nobody spoke (Admin asking back), or whose last words got lost between nodes: they are said before it is finished. */
  function speakRest(room: string, { tenant, actor }: Place, finished: object) {
    const rest = restOf(speeches.live(tenant, actor), finished)
    if (rest) bus.publish({ room, name: 'reply.delta', payload: { conversation: actor, ...rest }, isRest: true })
  }

  return {
    tell,
    emits(place: Place, emits: Emit[]) {
      for (const emit of emits) {
        if (isPrivate(emit.event.type)) continue
        const { name, payload } = payloadOf(emit, place.actor)
        tell(place, name, payload, emit.seq !== undefined)
      }
    },
  }
}
