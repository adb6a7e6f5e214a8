/**
 * Words on their way out. They never pass through a mailbox: from the running effect to the watchers and the stream log, numbered
 * by `(turn, attempt, offset)`. A turn speaks in one attempt at a time; a new attempt silences the one before.
 */
import { type Bus, roomOf } from '../cluster/bus.ts'
import type { ChunkLog } from './chunks.ts'
import type { Clock } from './clock.ts'
import { type Coalescer, createCoalescer } from './coalescer.ts'
import { failpoint } from './failpoint.ts'
import type { Wheel } from './wheel.ts'

export interface Place {
  tenant: string
  actor: string
  turn: string
  attempt: number
}

/** What is known of the price of words that were cut off. */
export interface Note {
  model?: string
  usage?: { in: number; out: number; estimated?: true }
  cost?: number | 'unknown'
}

export interface Speech {
  /** Says the next words; after the end nobody hears them. */
  say(text: string): void
  /** Everything said in this attempt, as watchers have it. */
  text(): string
  note(note: Note): void
  /** The speaker has stopped; words held back are let go. */
  end(): void
}

export interface Speeches {
  /** Goes on where the attempt stands, or begins it. */
  open(place: Place): Speech
  /** The reply in flight of this conversation, whole. */
  live(tenant: string, actor: string): { turn: string; attempt: number; text: string } | undefined
  /** Lets go what a frame still holds back: before anything durable is told. */
  flush(tenant: string, actor: string): void
  /** Ends an attempt from outside; resolves with what was said and its price, if it was said on this node. */
  cut(place: Place): Promise<{ text: string; note: Note } | undefined>
  /** The attempt is over for its watchers: finished or withdrawn. */
  close(tenant: string, actor: string, turn: string, over: boolean): void
  count(): number
}

interface Voice {
  place: Place
  parts: string[]
  length: number
  coalescer: Coalescer
  silenced: boolean
  note: Note
  /** The last who spoke has ended. */
  ended: Promise<void>
}

/** Milliseconds that a cut waits for the speaker to tell its price. */
const FAREWELL = 500

export function createSpeeches({ bus, chunks, clock, wheel }: { bus: Bus; chunks: ChunkLog; clock: Clock; wheel: Wheel }): Speeches {
  const voices = new Map<string, Voice>()

  function begin(place: Place): Voice {
    const { tenant, actor, turn, attempt } = place
    const room = roomOf(tenant, actor)
    const keep = chunks.open({ tenant, actor, turn, attempt })
    const voice: Voice = {
      place,
      parts: [],
      length: 0,
      silenced: false,
      note: {},
      ended: Promise.resolve(),
      coalescer: createCoalescer({
        clock,
        wheel,
        send(offset, text) {
          bus.publish({ room, name: 'reply.delta', payload: { conversation: actor, turn, attempt, offset, text } })
          failpoint('delta.spoken')
          keep(offset, text)
          voice.parts.push(text)
          voice.length += text.length
        },
      }),
    }
    return voice
  }

  return {
    open(place) {
      const key = roomOf(place.tenant, place.actor)
      let voice = voices.get(key)
      if (!voice || voice.place.turn !== place.turn || voice.place.attempt !== place.attempt) {
        if (voice) voice.silenced = true
        voice = begin(place)
        voices.set(key, voice)
      }
      const mine = voice
      // Each round of an attempt has an end and a price of its own.
      mine.note = {}
      let over = () => {}
      mine.ended = new Promise((resolve) => {
        over = resolve
      })
      return {
        say(text) {
          if (!mine.silenced) mine.coalescer.add(speakable(text))
        },
        text() {
          mine.coalescer.flush()
          return textOf(mine)
        },
        note(note) {
          mine.note = { ...mine.note, ...note }
        },
        end() {
          if (!mine.silenced) mine.coalescer.flush()
          over()
        },
      }
    },
    live(tenant, actor) {
      const voice = voices.get(roomOf(tenant, actor))
      if (!voice || voice.length === 0) return undefined
      return { turn: voice.place.turn, attempt: voice.place.attempt, text: textOf(voice) }
    },
    flush(tenant, actor) {
      const voice = voices.get(roomOf(tenant, actor))
      if (voice && !voice.silenced) voice.coalescer.flush()
    },
    async cut({ tenant, actor, turn, attempt }) {
      const voice = voices.get(roomOf(tenant, actor))
      if (!voice || voice.place.turn !== turn || voice.place.attempt !== attempt) return undefined
      voice.coalescer.flush()
      voice.silenced = true
      await new Promise<void>((resolve) => {
        const cancel = clock.after(FAREWELL, resolve)
        void voice.ended.then(() => {
          cancel()
          resolve()
        })
      })
      return { text: textOf(voice), note: voice.note }
    },
    close(tenant, actor, turn, over) {
      const key = roomOf(tenant, actor)
      const voice = voices.get(key)
      if (voice?.place.turn === turn) {
        voice.silenced = true
        voices.delete(key)
      }
      if (over) chunks.forget({ tenant, actor, turn })
    },
    count: () => voices.size,
  }
}

/** Joined once and kept so: many small strings would be walked again at every look. */
function textOf(voice: Voice): string {
  if (voice.parts.length > 1) voice.parts = [voice.parts.join('')]
  return voice.parts[0] ?? ''
}

/** What Postgres cannot store is not said either, so that what people heard is what is kept: no NUL, no broken pair. */
const speakable = (text: string) => (text.includes('\0') ? text.replaceAll('\0', '') : text)
