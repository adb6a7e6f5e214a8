/** One connection at a time to one of several addresses: whoever is cut off comes back at the next one, at once and then ever later. */
import { type Socket, io } from 'socket.io-client'
import type { Payload } from '../chaos/journal.ts'

export interface LineNeeds {
  /** Asked anew for every connection: nodes come and go. */
  urls(): readonly string[]
  /** Which of them is the first. */
  first: number
  token?: string
  /** The address of ours to connect from. */
  from?: string
  chance: { next(): number }
  up(): void
  /** A connection that stood is gone. */
  down(why: string): void
  failed(): void
  heard(name: string, payload: Payload): void
}

export interface Line {
  dial(): void
  /** On the connection that stands; an answer that comes after its end is not told. */
  ask<A>(name: string, payload: object, answer: (answer: A) => void): void
  /** The other side lets us in: after the next loss we come back at once again. */
  settled(): void
  /** Cuts the connection as a cable would be cut. */
  cut(): void
  /** Goes away and comes back at the next address. */
  move(): void
  /** Reads nothing for so many milliseconds. */
  stall(ms: number): void
  close(): void
}

/** Milliseconds for a handshake. */
const PATIENCE = 10_000
/** Milliseconds within which the first attempt begins, and the longest pause. */
const AT_ONCE = 100
const MOST = 2_000

/** What socket.io-client keeps to itself: the WebSocket below. */
interface Wire {
  transport?: { ws?: { terminate(): void; pause(): void; resume(): void } }
}

export function openLine({ urls, first, token, from, chance, up, down, failed, heard }: LineNeeds): Line {
  let socket: Socket | undefined
  let place = first
  let tries = 0
  let closed = false
  let timer: NodeJS.Timeout | undefined
  const wire = () => (socket?.io.engine as unknown as Wire | undefined)?.transport?.ws

  function dial() {
    const all = urls()
    const url = all[place % all.length] as string
    const options = {
      transports: ['websocket'],
      forceNew: true,
      multiplex: false,
      reconnection: false,
      timeout: PATIENCE,
      ...(token && { auth: { token } }),
      ...(from && { localAddress: from }),
    }
    const mine = io(url, options)
    socket = mine
    mine.once('connect', up)
    mine.once('connect_error', () => {
      mine.close()
      if (mine !== socket || closed) return
      failed()
      again()
    })
    mine.once('disconnect', (why) => {
      if (mine !== socket || closed) return
      clearTimeout(timer) // of a move that has come by itself
      down(why)
      again()
    })
    mine.onAny((name: string, payload: Payload & { within?: number }) => {
      if (mine !== socket || closed) return
      if (name !== 'node.leaving') return heard(name, payload)
      clearTimeout(timer)
      // The server gives each its own moment: to draw again would bring half of them in the first fifth of the time.
      timer = setTimeout(() => mine === socket && move(), Number(payload?.within) || 0)
    })
  }

  function again() {
    place++
    timer = setTimeout(dial, pauseAfter(tries++, chance.next()))
  }

  function move() {
    socket?.disconnect()
  }

  return {
    dial,
    ask(name, payload, answer) {
      const mine = socket
      mine?.emit(name, payload, (told: never) => mine === socket && mine.connected && answer(told))
    },
    settled() {
      tries = 0
    },
    cut: () => wire()?.terminate(),
    move,
    stall(ms) {
      const mine = wire()
      mine?.pause()
      setTimeout(() => mine?.resume(), ms).unref()
    },
    close() {
      closed = true
      clearTimeout(timer)
      socket?.disconnect()
    },
  }
}

/** Milliseconds before the next attempt; whoever was cut off together does not come back together. */
export const pauseAfter = (tries: number, chance: number): number =>
  tries === 0 ? AT_ONCE * chance : Math.min(MOST, AT_ONCE * 2 ** tries) * (0.5 + 0.5 * chance)
