/** The people of one process: come one after the other, speak when it is their time, and are waited for in the end. */
import { setTimeout as pause } from 'node:timers/promises'
import { now } from '../chaos/journal.ts'
import { random } from '../support/random.ts'
import { type Keep, type Person, createPerson } from './person.ts'
import { type Share, cast } from './scenarios.ts'
import { type Part, createTally } from './tally.ts'

/** Plain JSON, so that it crosses a process boundary. */
export interface Plan {
  urls: string[]
  sockets: number
  /** Messages a second, of all sockets together; a burst is one. */
  rate: number
  /** Seconds of speaking, and of the connects before. */
  duration: number
  ramp: number
  /** Seconds in which everything may come to its end. */
  tail: number
  shares: Share[]
  /** Seconds between storms. */
  stormEvery: number
  token?: string
  /** Addresses of ours to connect from, each for so many sockets. */
  from?: { addresses: string[]; sockets: number }
  /** What messages say. */
  text: string
  seed: number
}

export interface Progress {
  part: Part
  /** Sockets that are in their conversation now. */
  joined: number
  /** People who wait for an answer. */
  waiting: number
}

/** All of it may be asked of another process. */
export interface Crew {
  /** Resolves when everybody is in, or the time for that is over. */
  connect(): Promise<void>
  /** From this moment on. */
  speak(at: number): Promise<void>
  /** Until all is at rest, or the tail is over. */
  settle(): Promise<void>
  /** Begins nothing more; at the second call nothing is waited for either. */
  stop(): Promise<void>
  progress(): Promise<Progress>
  /** Judges what is open, ends all connections and gives the result. */
  close(): Promise<Part>
}

/** Milliseconds after the ramp in which the last ones may come in; and those in which what is told twice shows. */
const LATE = 10_000
const ECHO = 500
const LOOK = 25
const LONGEST = 60_000

export interface CrewNeeds {
  plan: Plan
  /** Which of how many crews this is. */
  index?: number
  of?: number
  keep?: Keep | undefined
  /** What a message says, instead of the plan's text. */
  textOf?: ((id: string) => string) | undefined
}

/** In this process. */
export interface HereCrew extends Crew {
  /** So far. */
  part(): Part
  /** Every connection at once. */
  cut(): void
}

export function createCrew({ plan, index = 0, of = 1, keep, textOf }: CrewNeeds): HereCrew {
  const { sockets, rate, duration, ramp, tail, shares, stormEvery, token, from, text, seed } = plan
  const tally = createTally()
  const chance = random(seed + index)
  const [first, behind] = [index, index + 1].map((at) => Math.floor((at * sockets) / of)) as [number, number]
  const roles = cast(sockets, shares)
  let said = 0
  const people = roles.slice(first, behind).map(({ scenario, place }, at) =>
    createPerson({
      scenario,
      tally,
      chance,
      urls: () => plan.urls,
      first: place,
      text: textOf ?? (() => `${text} (${index}.${++said})`),
      keep,
      ...(token && { token }),
      ...(from && { from: from.addresses[Math.floor((first + at) / from.sockets)] as string }),
    }),
  )
  const speakers = people.filter(({ scenario }) => scenario.says > 0)
  // An even share of all messages, and each crew a little later than the one before.
  const speak = (some: typeof roles) => some.filter(({ scenario }) => scenario.says > 0).length
  const own = (rate * speakers.length) / Math.max(1, speak(roles))
  const upTo = (behind: number) => Math.floor((Math.floor(rate * duration) * speak(roles.slice(0, behind))) / Math.max(1, speak(roles)))
  const messages = upTo(behind) - upTo(first)
  const shift = index / of
  let next = 0
  let dialed = 0
  let stops = 0
  const stopping = new AbortController()

  /** At each moment of a plan, whatever takes however long: late ones follow at once, with the time that they were planned for. */
  async function each(count: number, time: (at: number) => number, act: (at: number, intended: number) => void) {
    for (let at = 0; at < count && stops === 0; ) {
      const wait = time(at) - now()
      if (wait > 1) await pause(Math.min(wait, LONGEST), undefined, { signal: stopping.signal }).catch(() => {}) // stopped
      for (; at < count && stops === 0 && time(at) <= now() + 1; at++) act(at, time(at))
    }
  }

  /** Somebody who waits for nothing, while there is one. */
  function speaker(): Person {
    for (let tries = 0; tries < speakers.length; tries++) {
      const one = speakers[next++ % speakers.length] as Person
      if (one.isFree()) return one
    }
    return speakers[next++ % speakers.length] as Person
  }

  async function until(isSo: () => boolean, ms: number, patience: number) {
    const end = now() + ms
    while (!isSo() && now() < end && stops < patience) await pause(LOOK)
  }

  const storm = () => {
    for (const one of people) if (one.scenario.storms) one.cut()
  }
  const isAtRest = () => people.slice(0, dialed).every((one) => one.isJoined() && one.isFree())

  return {
    async connect() {
      const began = now()
      const time = (at: number) => began + ((at + shift) * ramp * 1000) / people.length
      await each(people.length, time, (at, intended) => {
        people[at]?.dial(intended)
        dialed++
      })
      await until(() => people.every((one) => one.isJoined()), LATE, 1)
    },
    async speak(at) {
      const speaking = each(
        messages,
        (n) => at + Math.min(duration, (n + shift) / own) * 1000,
        (_, intended) => {
          const one = speaker()
          for (let n = 0; n < one.scenario.says; n++) one.say(intended)
        },
      )
      const storms = people.some(({ scenario }) => scenario.storms) ? Math.ceil(duration / stormEvery) - 1 : 0
      const storming = each(storms, (n) => at + (n + 1) * stormEvery * 1000, storm)
      await Promise.all([
        speaking,
        storming,
        each(
          1,
          () => at + duration * 1000,
          () => {},
        ),
      ])
    },
    async settle() {
      await until(isAtRest, tail * 1000, 2)
      if (isAtRest()) await until(() => false, Math.min(ECHO, tail * 1000), 2)
    },
    async stop() {
      stops++
      stopping.abort()
    },
    async progress() {
      return {
        part: tally.part(),
        joined: people.filter((one) => one.isJoined()).length,
        waiting: people.filter((one) => !one.isFree()).length,
      }
    },
    async close() {
      for (const one of people) one.close(stops > 1)
      return tally.part()
    },
    part: tally.part,
    cut() {
      for (const one of people) one.cut()
    },
  }
}
