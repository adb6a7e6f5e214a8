/** Who does the work that the charts name. */
import { answering } from '../actors/answering.ts'
import { classifying } from '../actors/classifying.ts'
import { consulting } from '../actors/consulting.ts'
import { onceATurn } from '../actors/past.ts'
import type { Knowledge } from '../actors/knowledge.ts'
import type { Models } from '../actors/models/models.ts'
import { salvaging } from '../actors/salvaging.ts'
import { validating } from '../actors/validating.ts'
import { spokenText } from '../sql/chunks.ts'
import { readHistory } from '../sql/conversations.ts'
import type { Database } from '../sql/database.ts'
import { type Bus, roomOf } from './cluster/bus.ts'
import { type Clock, systemClock } from './host/clock.ts'
import type { Slot } from './host/runner.ts'
import type { Speeches } from './host/speech.ts'

/** Messages of history that are read at most; the policy then takes what fits. */
const HISTORY = 40

interface Needs {
  db: Database
  bus: Bus
  models: Models
  knowledge: Knowledge
  speeches: Speeches
  clock?: Clock
}

/** Whoever fills a slot, by the slot's name. To add one: the slot in its chart, the filling in actors/, one line here. */
export function slotsOf({ db, bus, models, knowledge, speeches, clock = systemClock }: Needs): Record<string, Slot> {
  const history = onceATurn((tenant, conversation, before) => readHistory(db, tenant, conversation, before, HISTORY), Date.now)
  return {
    classify: { fill: classifying({ models, history }), whenLost: 'repeat' },
    answer: {
      fill: answering({
        models,
        history,
        search: (tenant, text) => knowledge.search(tenant, text),
        speech: ({ tenant, actor, id }, turn, attempt, before) => speeches.open({ tenant, actor, turn, attempt, work: id }, before),
        async said({ tenant, actor }, turn, attempt) {
          await speeches.kept()
          return spokenText(db, tenant, actor, turn, attempt)
        },
        announce: ({ tenant, actor, id }, status) =>
          bus.publish({
            room: roomOf(tenant, actor),
            name: 'agent.status',
            payload: { conversation: actor, ...status, at: clock.now() },
            work: id,
          }),
        clock: () => performance.now(),
        after: systemClock.after,
      }),
      // Words may have been heard already: the machine withdraws them and begins a new attempt.
      whenLost: 'tell',
    },
    consult: { fill: consulting(), whenLost: 'tell' },
    validate: { fill: validating(), whenLost: 'repeat' },
    salvage: {
      fill: salvaging({
        cut: (place) => speeches.cut(place),
        logged: ({ tenant, actor, turn, attempt }) => spokenText(db, tenant, actor, turn, attempt),
        after: clock.after,
      }),
      whenLost: 'repeat',
    },
  }
}
