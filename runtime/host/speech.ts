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

export interface Speaker {
  tenant: string
  actor: string
  turn: string
  attempt: number
  /** The piece of work that speaks. */
  work?: string
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
  /**
   * Goes on where the attempt stands, or begins it. `before`: what somebody said of it who is gone, and where in that the words begin
   * which are now said once more.
   */
  open(place: Speaker, before?: { text: string; from: number }): Speech
  /** The reply in flight of this conversation, whole. */
  live(tenant: string, actor: string): { turn: string; attempt: number; text: string } | undefined
  /** Lets go what a frame still holds back: before anything durable is told. */
  flush(tenant: string, actor: string): void
  /**
   * Ends an attempt from outside; resolves with what was said and its price, if it was said on this node. `isPart`: it goes on with what
   * somebody else has said, who is gone, and of which people may have heard more than is known here.
   */
  cut(place: Speaker): Promise<{ text: string; note: Note; isPart?: true } | undefined>
  /** Words of a speaker on another node, as they come. False: some before them are missing, and nothing was heard. */
  hear(place: Speaker, offset: number, text: string): boolean
  /** That speaker has stopped. */
  heardOut(place: Speaker, note: Note): void
  /** Whoever speaks on this node, with everything said so far. */
  speakers(): { place: Speaker; text(): string }[]
  /** Forgets what is of no use without its actor: speakers of other nodes, and those of this one who have said everything. */
  letGo(isGone: (actor: string) => boolean): void
  /** Resolves once the log has been given everything that was said here so far. */
  kept(): Promise<void>
  /** Nobody here says anything more. */
  silence(): void
  /** The attempt is over for its watchers: finished or withdrawn. */
  close(tenant: string, actor: string, turn: string, over: boolean): void
  count(): number
}

interface Voice {
  place: Speaker
  parts: string[]
  length: number
  coalescer: Coalescer
  silenced: boolean
  /** Speaks on another node. */
  isForeign: boolean
  /** Goes on with what somebody said who is gone. */
  goesOn: boolean
  note: Note
  /** Somebody speaks here. */
  busy: boolean
  /** The last who spoke has ended. */
  ended: Promise<void>
  isOver?: () => void
}

/** Milliseconds that a cut waits for the speaker to tell its price. */
const FAREWELL = 500

interface Needs {
  bus: Bus
  chunks: ChunkLog
  clock: Clock
  wheel: Wheel
  /** Hears of every speaker of this node that stops; true: it spoke for another node, and nothing of it is needed here any more. */
  stopped?(place: Speaker, note: Note): boolean
}

export function createSpeeches({ bus, chunks, clock, wheel, stopped = () => false }: Needs): Speeches {
  const voices = new Map<string, Voice>()

  function begin(place: Speaker, said = ''): Voice {
    const { tenant, actor, turn, attempt } = place
    const room = roomOf(tenant, actor)
    const keep = chunks.open({ tenant, actor, turn, attempt })
    const voice: Voice = {
      place,
      parts: said ? [said] : [],
      length: said.length,
      silenced: false,
      isForeign: false,
      goesOn: false,
      note: {},
      busy: false,
      ended: Promise.resolve(),
      coalescer: createCoalescer({
        clock,
        wheel,
        from: said.length,
        send(offset, text) {
          bus.publish({
            room,
            name: 'reply.delta',
            payload: { conversation: actor, turn, attempt, offset, text },
            ...(voice.place.work && { work: voice.place.work }),
          })
          failpoint('delta.spoken')
          keep(offset, text, voice.place.work)
          voice.parts.push(text)
          voice.length += text.length
        },
      }),
    }
    return voice
  }

  /** One whose words come in letters; they are in the log already. */
  function foreign(place: Speaker): Voice {
    let isOver = () => {}
    const ended = new Promise<void>((resolve) => {
      isOver = resolve
    })
    const coalescer = { add() {}, flush() {} }
    return { place, parts: [], length: 0, silenced: false, isForeign: true, goesOn: false, note: {}, busy: false, ended, isOver, coalescer }
  }

  return {
    open(place, before) {
      const key = roomOf(place.tenant, place.actor)
      let voice = voices.get(key)
      if (!voice || voice.isForeign || voice.place.turn !== place.turn || voice.place.attempt !== place.attempt) {
        if (voice) voice.silenced = true
        // The rounds before were spoken on another node: what they said stands.
        const goesOn = voice?.isForeign && voice.place.turn === place.turn && voice.place.attempt === place.attempt
        voice = begin(place, before?.text ?? (goesOn ? textOf(voice as Voice) : ''))
        voice.goesOn = before !== undefined
        voices.set(key, voice)
      }
      // A later round is another piece of work.
      voice.place = place
      const mine = voice
      /** Characters that have been said already. */
      let known = before ? mine.length - before.from : 0
      // Each round of an attempt has an end and a price of its own.
      mine.note = {}
      mine.busy = true
      let over = () => {}
      mine.ended = new Promise((resolve) => {
        over = resolve
      })
      return {
        say(text) {
          const all = speakable(text)
          const fresh = all.slice(known)
          known = Math.max(0, known - all.length)
          if (!mine.silenced && fresh) mine.coalescer.add(fresh)
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
          if (mine.place === place) mine.busy = false
          if (!stopped(mine.place, mine.note)) return
          chunks.disown(mine.place)
          if (voices.get(key) === mine) voices.delete(key)
        },
      }
    },
    hear(place, offset, text) {
      const { tenant, actor, turn, attempt } = place
      const key = roomOf(tenant, actor)
      let voice = voices.get(key)
      if (!voice?.isForeign || voice.place.turn !== turn || voice.place.attempt !== attempt) {
        if (voice) voice.silenced = true
        voice = foreign(place)
        voices.set(key, voice)
        chunks.inherit({ tenant, actor, turn })
      }
      if (voice.silenced) return true
      if (offset > voice.length) return false
      const fresh = text.slice(voice.length - offset)
      if (!fresh) return true
      bus.publish({ room: key, name: 'reply.delta', payload: { conversation: actor, turn, attempt, offset: voice.length, text: fresh } })
      voice.parts.push(fresh)
      voice.length += fresh.length
      return true
    },
    heardOut({ tenant, actor, turn, attempt }, note) {
      const voice = voices.get(roomOf(tenant, actor))
      if (!voice?.isForeign || voice.place.turn !== turn || voice.place.attempt !== attempt) return
      voice.note = note
      voice.isOver?.()
    },
    letGo(isGone) {
      for (const [key, { isForeign, busy, place }] of voices) {
        if (busy || !isGone(place.actor)) continue
        voices.delete(key)
        if (!isForeign) chunks.disown(place)
      }
    },
    kept: chunks.settle,
    silence() {
      for (const voice of voices.values()) voice.silenced = true
      voices.clear()
    },
    speakers: () =>
      [...voices.values()]
        .filter(({ isForeign, silenced, length }) => !isForeign && !silenced && length > 0)
        .map((voice) => ({ place: voice.place, text: () => textOf(voice) })),
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
      // The first words of this speaker elsewhere have not come: people may have heard them, from the owner before us.
      if (voice.isForeign && voice.length === 0) return undefined
      await new Promise<void>((resolve) => {
        const cancel = clock.after(FAREWELL, resolve)
        void voice.ended.then(() => {
          cancel()
          resolve()
        })
      })
      return { text: textOf(voice), note: voice.note, ...(voice.goesOn && { isPart: true }) }
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
