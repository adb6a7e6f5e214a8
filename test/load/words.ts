/** The words of replies, put together by turn, attempt and offset as the protocol has it. */
import type { Cursor, Live } from '../../runtime/gateway/protocol.ts'
import type { Blame, Verdict } from './numbers.ts'

export interface Delta {
  turn: string
  attempt: number
  offset: number
  text: string
}

export interface Words {
  /** The reply in flight, as far as it came. */
  voice(): Readonly<Live> | undefined
  place(): Omit<Cursor, 'seq'>
  /** `live`: told by itself, and not in the answer to a join. */
  hear(delta: Delta, live: boolean): Verdict
  retracted(turn: string, attempt: number): void
  finished(turn: string, attempt: number, text: string, live: boolean): void
  ended(turn: string, name: string): void
  /** What a join says of the reply in flight; `whole` when it is all that is known. True when there is something new in it. */
  takeUp(live: Live | undefined, whole: boolean): boolean
  /** A new connection: nothing was told on it. */
  forget(): void
}

/** Turns whose end is remembered, for echoes. */
const REMEMBERED = 100

interface Voice extends Live {
  /** What of it was told on this connection, from and to. */
  from: number
  to: number
  differs: boolean
}

interface Past {
  /** Attempts up to this one are over. */
  closed: number
  finished: boolean
  ended: boolean
}

export function createWords(blame: Blame): Words {
  let voice: Voice | undefined
  const past = new Map<string, Past>()

  function pastOf(turn: string): Past {
    let one = past.get(turn)
    if (!one) past.set(turn, (one = { closed: -1, finished: false, ended: false }))
    if (past.size > REMEMBERED) past.delete(past.keys().next().value as string)
    return one
  }

  const isClosed = (turn: string, attempt: number) => attempt <= (past.get(turn)?.closed ?? -1)
  const begin = ({ turn, attempt, text }: Live): Voice => ({ turn, attempt, text, from: text.length, to: text.length, differs: false })

  function close(turn: string, attempt: number) {
    const one = pastOf(turn)
    one.closed = Math.max(one.closed, attempt)
    if (voice?.turn === turn && voice.attempt <= attempt) voice = undefined
  }

  function differ(so: Voice, what: string) {
    if (!so.differs) blame('differing', `${so.turn}/${so.attempt} ${what}`)
    so.differs = true
  }

  function append(so: Voice, { offset, text }: Delta): Verdict {
    const have = so.text.length
    if (!text.startsWith(so.text.slice(offset, offset + text.length))) differ(so, `says other words at ${offset} than before`)
    so.text += text.slice(have - offset)
    return so.text.length > have ? 'new' : 'known'
  }

  function noteTold(so: Voice, { offset, text }: Delta) {
    if (offset < so.to && offset + text.length > so.from) blame('duplicates', `${so.turn}/${so.attempt} is told twice at ${offset}`)
    if (so.from === so.to) so.from = offset
    so.to = Math.max(so.to, offset + text.length)
  }

  return {
    voice: () => voice,
    place: () => (voice ? { turn: voice.turn, attempt: voice.attempt, offset: voice.text.length } : {}),
    hear(delta, live) {
      const { turn, attempt, offset } = delta
      if (isClosed(turn, attempt) || (voice?.turn === turn && attempt < voice.attempt)) {
        if (live) blame('reorderings', `${turn}/${attempt} speaks after it was over`)
        return 'known'
      }
      if (voice?.turn !== turn || voice.attempt !== attempt) {
        if (offset > 0) return 'hole'
        if (voice && voice.turn !== turn && live) blame('reorderings', `${turn} speaks while ${voice.turn} is being said`)
        voice = begin({ turn, attempt, text: '' })
      }
      if (offset > voice.text.length) return 'hole'
      if (live) noteTold(voice, delta)
      return append(voice, delta)
    },
    retracted: close,
    finished(turn, attempt, text, live) {
      if (pastOf(turn).finished) blame('doubled', `${turn} is answered twice`)
      const heard = voice?.turn === turn && voice.attempt === attempt ? voice.text : ''
      // A replay may leave out words of a reply that is over.
      if ((live ? heard !== text : !text.startsWith(heard)) && !voice?.differs)
        blame(
          'differing',
          `${turn}/${attempt} was heard as "${heard.slice(-40)}" (${heard.length}) and is "${text.slice(-40)}" (${text.length})`,
        )
      close(turn, attempt)
      pastOf(turn).finished = true
    },
    ended(turn, name) {
      const one = pastOf(turn)
      if (one.ended) blame('doubled', `${turn} ends twice`)
      if (voice?.turn === turn && name === 'turn.finished') blame('differing', `${turn} is over, and its words were never finished`)
      close(turn, Number.POSITIVE_INFINITY)
      one.ended = true
    },
    takeUp(live, whole) {
      const before = voice?.turn === live?.turn && voice?.attempt === live?.attempt ? voice : undefined
      if (whole) voice = undefined
      if (!live || isClosed(live.turn, live.attempt)) return false
      const had = before?.text ?? ''
      voice = before ?? begin(live)
      if (whole ? !live.text.startsWith(had) : before && had !== live.text) differ(voice, 'was told with other words than a join gives')
      voice.text = live.text
      return live.text.length > had.length
    },
    forget() {
      if (voice) voice.from = voice.to = voice.text.length
    },
  }
}
