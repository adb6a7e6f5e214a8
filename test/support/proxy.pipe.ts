/** One way of one connection through a proxy: takes bytes from a socket and lets the toxics decide when the other one gets them. */
import type { Socket } from 'node:net'
import type { random } from './random.ts'
import type { Toxics } from './toxic.ts'

/** Bytes that wait in a pipe before it stops reading, as a window of TCP would close. */
const MOST = 262_144
/** What gets lost at once. */
const PACKET = 1_448

export interface Pipe {
  /** Looks again, after the toxics have changed. */
  pump(): void
  /** Bytes or an end have got lost: nothing sensible can follow. */
  isBroken(): boolean
  /** Bytes. */
  count: { readonly passed: number; readonly lost: number }
  close(): void
}

interface Needs {
  from: Socket
  to: Socket
  toxics: Toxics
  chance: ReturnType<typeof random>
  /** The far end does not listen yet. */
  isWaiting(): boolean
  /** The connection is to end, once what was passed on has left. */
  cut(): void
  /** The reader of this pipe is to be reset. */
  reset(): void
}

interface Parcel {
  bytes: Buffer
  /** By `performance.now()`. */
  due: number
}

export function createPipe({ from, to, toxics, chance, isWaiting, cut, reset }: Needs): Pipe {
  const queue: Parcel[] = []
  let held = 0
  const count = { passed: 0, lost: 0 }
  let broken = false
  /** `said`: the end waits behind the bytes. */
  let end: 'none' | 'said' | 'passed' = 'none'
  /** When the next byte may go, and when the last one that was taken is due. */
  let free = 0
  let last = 0
  let full = false
  let timer: NodeJS.Timeout | undefined
  let resetAt: number | undefined
  /** Of the limit that is in force, whose count begins with it. */
  let limit: { toxic: object; left: number } | undefined
  let closed = false
  let passing = false

  /** When a packet that is sent now arrives: never before the one in front of it. */
  function due(): number {
    const latency = toxics.get('latency')
    const loss = toxics.get('loss')
    let late = latency ? latency.ms + (latency.jitter ?? 0) * chance.next() : 0
    // Each loss in a row waits twice as long as the one before.
    for (let again = loss?.again ?? 200; loss && again < 10_000 && chance.next() < loss.rate; again *= 2) late += again
    return (last = Math.max(last, performance.now() + late))
  }

  function take(bytes: Buffer) {
    const loss = toxics.get('loss')
    const most = loss ? PACKET : bytes.length
    for (let at = 0; at < bytes.length; at += most) queue.push({ bytes: bytes.subarray(at, at + most), due: due() })
    held += bytes.length
  }

  from.on('data', (bytes: Buffer) => {
    if (toxics.has('drop') || end === 'passed') {
      count.lost += bytes.length
      broken = true
      return
    }
    take(bytes)
    if (held > MOST) from.pause()
    pump()
  })
  from.on('end', () => {
    if (toxics.has('drop')) return void (broken = true)
    if (end === 'none') end = 'said'
    due()
    pump()
  })
  to.on('drain', () => {
    full = false
    pump()
  })

  const later = (ms: number) => {
    clearTimeout(timer)
    timer = setTimeout(pump, Math.max(1, ms))
  }

  /** How much may go now, in one piece. */
  function size(waiting: number): number {
    const slicer = toxics.get('slicer')
    const rate = toxics.get('bandwidth')?.rate
    let most = waiting
    if (slicer) most = Math.min(most, Math.max(1, slicer.size + Math.round((chance.next() * 2 - 1) * (slicer.variation ?? 0))))
    // A fiftieth of a second at once, so that a slow line is slow and not bursting.
    if (rate) most = Math.min(most, Math.max(1, Math.round(rate / 50)))
    return most
  }

  function send(parcel: Parcel, most: number, now: number) {
    const piece = parcel.bytes.subarray(0, most)
    parcel.bytes = parcel.bytes.subarray(piece.length)
    if (parcel.bytes.length === 0) queue.shift()
    held -= piece.length
    count.passed += piece.length
    if (limit) limit.left -= piece.length
    const rate = toxics.get('bandwidth')?.rate
    const slicer = toxics.get('slicer')
    if (rate) free = Math.max(free, now) + (piece.length * 1_000) / rate
    if (slicer) free = Math.max(free, now + (slicer.pause ?? 1))
    full = !to.write(piece)
    if (held <= MOST / 2 && from.isPaused()) from.resume()
  }

  function pump(): void {
    if (passing) return
    passing = true
    if (toxics.has('drop')) from.resume() // also what waited for room
    while (!closed && step());
    passing = false
  }

  /** One piece, or the end; false when there is something to wait for. */
  function step(): boolean {
    if (isWaiting() || toxics.has('timeout') || toxics.has('drop')) return false
    const now = performance.now()
    const resets = toxics.get('reset_peer')
    if (resets) {
      resetAt ??= now + (resets.ms ?? 0)
      if (now < resetAt) later(resetAt - now)
      else {
        broken = true
        reset()
        return false
      }
    } else resetAt = undefined
    const limits = toxics.get('limit_data')
    if (limits !== limit?.toxic) limit = limits && { toxic: limits, left: limits.bytes }
    if (limit && limit.left <= 0) return cut(), false
    if (full || end === 'passed') return false
    const [parcel] = queue
    if (!parcel) return finish(now)
    const at = Math.max(parcel.due, free)
    if (now < at) return later(at - now), false
    send(parcel, Math.min(size(parcel.bytes.length), limit?.left ?? Number.POSITIVE_INFINITY), now)
    return true
  }

  function finish(now: number): boolean {
    if (end === 'none' && !toxics.has('half_close')) return false
    const at = end === 'said' ? last + (toxics.get('slow_close')?.ms ?? 0) : now
    if (now < at) return later(at - now), false
    end = 'passed'
    to.end()
    return false
  }

  return {
    pump,
    isBroken: () => broken,
    count,
    close() {
      closed = true
      clearTimeout(timer)
    },
  }
}
