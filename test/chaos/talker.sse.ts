/** A client over plain HTTP: one question at a time, its answer as server-sent events, resumed by `Last-Event-ID`. */
import { type SseLine, lineOf } from '../support/sse.ts'
import { type Talk, now } from './journal.ts'
import { type Lines, lines, readLine } from './reading.ts'
import type { Recovery } from './recoveries.ts'
import { AGAIN, type Talker, type TalkerNeeds, passing, question } from './talker.ts'

export function sseTalker({ url, deaf, chance, habits, begin, keep }: TalkerNeeds): Talker {
  const recoveries: Recovery[] = []
  let talk: Talk
  let asked = 0
  let message: { id: string; since: number; so: Lines } | undefined
  let resting = false
  let closed = false
  let heardAt = 0
  let struckAt: number | undefined
  /** The attempt that was being read when the fault struck, where only another one counts. */
  let cut: string | undefined
  /** Turn and attempt of the last line. */
  let attempt: string | undefined
  const leaving = new AbortController()
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

  async function run() {
    while (!closed && !resting) {
      if (!talk || asked >= habits.most) {
        talk = begin(crypto.randomUUID(), 'sse')
        asked = 0
      }
      asked++
      message = { id: crypto.randomUUID(), since: now(), so: lines() }
      let last: string | undefined
      for (let tries = 1; !closed && !message.so.over; tries++) last = await ask(message, tries, last)
      message = undefined
      await pause(5 + chance.below(100))
    }
  }

  /** One request, to its end or until it is cut off. Returns the cursor of the last line. */
  async function ask({ id, so }: { id: string; so: Lines }, tries: number, after: string | undefined): Promise<string | undefined> {
    let last = after
    keep(talk, { t: 'sent', at: now(), id, text: question(id), tries })
    const giving = new AbortController()
    const hear = () => deaf && (clearTimeout(late), (late = setTimeout(() => giving.abort(new Error('nothing was heard')), deaf)))
    let late: NodeJS.Timeout | undefined
    hear()
    try {
      const response = await fetch(`${url()}/v1/chat/stream`, {
        method: 'POST',
        body: JSON.stringify({ session_id: talk.conversation, message: question(id), message_id: id }),
        headers: { 'content-type': 'application/json', ...(last && { 'last-event-id': last }) },
        signal: AbortSignal.any([leaving.signal, giving.signal]),
      })
      if (response.status !== 200) {
        const { code } = (await response.json()) as { code: string }
        keep(talk, { t: 'refused', at: now(), id, code })
        if (passing.has(code)) await pause(AGAIN)
        else so.over = true
        return last
      }
      keep(talk, { t: 'accepted', at: now(), id })
      for await (const line of linesOf(response)) {
        hear()
        last = line.id
        keep(talk, { t: 'line', at: now(), message: id, id: line.id, data: line.data })
        readLine(so, line)
        attempt = attemptOf(line)
        heardAt = now()
        const isOld = cut !== undefined && attemptOf(line) === cut
        if (isOld && !so.over) continue
        if (struckAt !== undefined && !isOld) recoveries.push({ struck: struckAt, spoke: heardAt })
        struckAt = cut = undefined
      }
      if (!so.over) keep(talk, { t: 'lost', at: now(), why: 'the stream ended without its last line' })
    } catch (error) {
      if (closed) return last
      keep(talk, { t: 'lost', at: now(), why: String((error as { cause?: unknown }).cause ?? error) })
      await pause(50 + chance.below(50))
    } finally {
      clearTimeout(late)
    }
    return last
  }

  void run()
  return {
    rest() {
      resting = true
    },
    waiting: () => (message && !message.so.over ? [{ conversation: talk.conversation, id: message.id, since: message.since }] : []),
    heardSince: (at) => heardAt > at,
    struck(at, anew = false) {
      if (!message?.so.text && struckAt === undefined) return
      struckAt = at
      cut = anew ? attempt : undefined
    },
    speaking: () => (message?.so.text && !message.so.over ? talk.conversation : undefined),
    recoveries,
    struckAt: () => struckAt,
    close() {
      closed = true
      leaving.abort()
    },
  }
}

const attemptOf = ({ id }: SseLine) => id.split('.').slice(1, 3).join('/')

async function* linesOf(response: Response): AsyncGenerator<SseLine> {
  let rest = ''
  for await (const bytes of response.body!.pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + bytes).split('\n\n')
    rest = blocks.pop() as string
    for (const block of blocks) if (block.startsWith('id:')) yield lineOf(block)
  }
}
