/** What comes from the neighbours: every batch once, in order, and a word where some are missing. */
import { createFragments, type Fragments } from './fragments.ts'
import type { Parcel } from './parcel.ts'
import type { Letter, Peer } from './post.ts'

/** UTF-16 units of unfinished batches that are held for one sender. */
const FRAGMENTS = 2 * 1024 * 1024
/** Senders that are remembered. One that was forgotten begins with a gap. */
const SENDERS = 4_096

interface Sender {
  peer: Peer
  /** The number of the last batch that was heard of. */
  last: number
  fragments: Fragments
}

export interface Listener {
  batch(from: Peer, letters: Letter[]): void
  gap(from: Peer): void
  /** A batch that was known already. */
  repeated(from: Peer): void
}

/** The answer takes in a parcel, and says whether there was sense in it. */
export function createIncoming({ batch, gap, repeated }: Listener): (parcel: Parcel) => boolean {
  const senders = new Map<string, Sender>()

  /** The one heard least lately stands first. */
  function senderOf(peer: Peer): Sender {
    const key = `${peer.life} ${peer.node}`
    const sender = senders.get(key) ?? { peer, last: 0, fragments: createFragments(FRAGMENTS) }
    senders.delete(key)
    senders.set(key, sender)
    if (senders.size > SENDERS) senders.delete(senders.keys().next().value!)
    return sender
  }

  function reach(sender: Sender, n: number, before: number) {
    const complete = sender.last === before
    sender.last = n
    sender.fragments.forget(n)
    if (!complete) gap(sender.peer)
  }

  return (parcel) => {
    const { from, n, parts, piece } = parcel
    const sender = senderOf(from)
    if (parts === 0) {
      if (n > sender.last) reach(sender, n, n)
      return true
    }
    if (n <= sender.last) {
      repeated(sender.peer)
      return true
    }
    const whole = parts === 1 ? piece : sender.fragments.add(parcel)
    if (whole === undefined) return true
    const letters = read(whole)
    if (!letters) return false
    reach(sender, n, n - 1)
    batch(sender.peer, letters)
    return true
  }
}

function read(text: string): Letter[] | undefined {
  try {
    const letters: unknown = JSON.parse(text)
    return Array.isArray(letters) && letters.every(isLetter) ? letters : undefined
  } catch {
    return undefined // the caller counts it
  }
}

const isLetter = (one: unknown): one is Letter => typeof one === 'object' && one !== null && typeof (one as Letter).type === 'string'
