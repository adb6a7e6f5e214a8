/**
 * What a carrier carries: two lines of JSON under a signature. The first says who sends it and which part of which batch it is, the
 * second is that part. JSON of JavaScript is well-formed Unicode whatever a letter holds: half of a surrogate pair is escaped.
 */
import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto'
import type { Peer } from './post.ts'

export interface Head {
  from: Peer
  /** The number of the batch, from 1. */
  n: number
  /** Tells fragments of the same batch apart that were cut for another carrier. */
  way: number
  /** From 0. */
  part: number
  /** 0 is a pulse: a number and no batch. */
  parts: number
}

export interface Parcel extends Head {
  /** The whole batch if there is one part. */
  piece: string
}

export interface Seal {
  /** The signed parcel for this address and no other. */
  close(address: string, parcel: Parcel): string
  /** Undefined for whatever was not signed so. */
  open(address: string, text: string): Parcel | undefined
}

const BYTES = 16
const LETTERS = 22 // of base64url for so many bytes

export function createSeal(secret: string): Seal {
  const key = createSecretKey(Buffer.from(secret))
  const sign = (address: string, text: string) => createHmac('sha256', key).update(`${address}\n${text}`).digest().subarray(0, BYTES)
  return {
    close(address, { piece, ...head }) {
      const text = `${headLine(head)}\n${piece}`
      return `${sign(address, text).toString('base64url')}\n${text}`
    },
    open(address, sealed) {
      if (typeof sealed !== 'string' || sealed[LETTERS] !== '\n') return undefined
      const text = sealed.slice(LETTERS + 1)
      const signature = Buffer.from(sealed.slice(0, LETTERS), 'base64url')
      if (signature.length !== BYTES || !timingSafeEqual(signature, sign(address, text))) return undefined
      return read(text)
    },
  }
}

const headLine = ({ from, n, way, part, parts }: Head) => JSON.stringify([from.node, from.life, n, way, part, parts])

function read(text: string): Parcel | undefined {
  const end = text.indexOf('\n')
  try {
    const [node, life, n, way, part, parts] = JSON.parse(text.slice(0, end))
    const numbers = [n, way, part, parts].every((one) => Number.isSafeInteger(one) && one >= 0)
    if (typeof node !== 'string' || typeof life !== 'string' || !numbers || n < 1 || part > Math.max(0, parts - 1)) return undefined
    return { from: { node, life }, n, way, part, parts, piece: text.slice(end + 1) }
  } catch {
    return undefined // signed and yet no parcel: of another version of this program, say
  }
}

/** A whole batch as parcels of at most so many bytes, each still to be sealed. */
export function cut(head: Omit<Head, 'part' | 'parts'>, batch: string, most: number): Parcel[] {
  const room = Math.max(4, most - LETTERS - 2 - Buffer.byteLength(headLine({ ...head, part: 1e6, parts: 1e6 })))
  // No character takes more than three bytes for each of its units.
  if (batch.length * 3 <= room || Buffer.byteLength(batch) <= room) return [{ ...head, part: 0, parts: 1, piece: batch }]
  const bytes = Buffer.from(batch)
  const pieces: string[] = []
  for (let at = 0; at < bytes.length; ) {
    let end = Math.min(at + room, bytes.length)
    while (end < bytes.length && isInside(bytes[end]!)) end--
    pieces.push(bytes.toString('utf8', at, end))
    at = end
  }
  return pieces.map((piece, part) => ({ ...head, part, parts: pieces.length, piece }))
}

/** Whether a character has begun before this byte. */
const isInside = (byte: number) => (byte & 0xc0) === 0x80
