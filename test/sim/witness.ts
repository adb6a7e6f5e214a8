/** What reached a tab, put together by nothing but the rules of the protocol, and without the client's own code. */
import type { Joined, Message } from '../../runtime/gateway/protocol.ts'
import type { Witness } from './connection.ts'

export interface Sent {
  id: string
  text: string
  at: number
  /** When it was accepted, and under which number. */
  accepted?: number
  seq?: number
  refused?: string
}

interface Reply {
  turn: string
  attempt: number
  text: string
}

interface Frame {
  seq?: number
  turn?: string
  attempt?: number
  offset?: number
  text?: string
  message?: Message | string
  name?: string
}

/** A reply in flight of which a join brings less than was heard: right only where the rest died with the node that said it. */
interface Shorter {
  turn: string
  attempt: number
  sentence: string
}

/** Complaints are breaches of the protocol that need no other journal to be seen. */
export function createWitness(label: string, now: () => number, tell: (line: string) => void) {
  const sent = new Map<string, Sent>()
  const complaints: string[] = []
  const shorter: Shorter[] = []
  const finished = new Map<string, string>()
  let stops = 0
  /** Numbers of events that came by themselves, in this life of the line. */
  let live = new Set<number>()
  let seq = 0
  let joined = false
  let behind = false
  let claimed = false
  let reply: Reply | undefined
  /** By turn: attempts up to this one are over. */
  const over = new Map<string, number>()
  const complain = (sentence: string) => complaints.push(`${label}: ${sentence}`)

  function hear(name: string, frame: Frame, replayed: boolean): unknown {
    if (name === 'conversation.lagged') {
      joined = false
      return
    }
    if (!joined && !replayed) return
    if (frame.seq !== undefined) {
      if (frame.seq <= seq) {
        // A join may have brought what a node, unsure of its own commit, tells a moment later. Nobody is told twice by the node itself.
        if (!replayed && live.has(frame.seq)) complain(`event ${frame.seq} ${name} came after ${seq}`)
        if (!replayed) live.add(frame.seq)
        return
      }
      if (!replayed) live.add(frame.seq)
      if (frame.seq !== seq + 1) {
        behind = true
        if (replayed) complain(`the replay jumps from ${seq} to ${frame.seq}`)
      }
      seq = frame.seq
    }
    if (name === 'operator.joined') claimed = true
    if (name === 'operator.left') claimed = false
    const { turn, attempt } = frame
    if (name === 'reply.delta' && turn !== undefined && attempt !== undefined) {
      if ((over.get(turn) ?? -1) >= attempt) return replayed || complain(`words of the closed attempt ${turn}.${attempt}`)
      if (claimed && !replayed) complain(`an agent speaks while a person has claimed the conversation (${turn}.${attempt})`)
      if (!reply || reply.turn !== turn || reply.attempt !== attempt) {
        if (reply && reply.turn === turn && attempt < reply.attempt) return complain(`words of ${turn}.${attempt} behind ${reply.attempt}`)
        reply = { turn, attempt, text: '' }
      }
      const { offset = 0, text = '' } = frame
      // Deltas may overlap what was heard, and then say the same once more; they never leave a hole.
      const again = reply.text.slice(offset)
      if (offset > reply.text.length || !(text.startsWith(again) || again.startsWith(text)))
        return complain(`${turn}.${attempt} was heard as "${reply.text}" and goes on at ${offset} with "${text}"`)
      reply.text += text.slice(again.length)
    }
    if ((name === 'reply.retracted' || name === 'reply.finished') && turn !== undefined && attempt !== undefined) {
      over.set(turn, Math.max(over.get(turn) ?? -1, attempt))
      if (name === 'reply.finished') {
        const { text } = frame.message as Message
        const heard = reply?.turn === turn && reply.attempt === attempt ? reply.text : ''
        if (heard !== text && !behind) complain(`${turn}.${attempt} was heard as "${heard}" and finished as "${text}"`)
        finished.set(turn, text)
        over.set(turn, Number.POSITIVE_INFINITY)
      }
      if (reply?.turn === turn && reply.attempt <= attempt) reply = undefined
    }
    if ((name === 'turn.finished' || name === 'turn.failed' || name === 'turn.stopped') && turn !== undefined) {
      over.set(turn, Number.POSITIVE_INFINITY)
      if (reply?.turn === turn) reply = undefined
    }
  }

  function join(answer: Joined) {
    joined = true
    if (answer.missed) {
      for (const [name, payload] of answer.missed) hear(name, payload as Frame, true)
      if (seq < answer.seq) complain(`the replay ends at ${seq} and says ${answer.seq}`)
    } else {
      seq = answer.seq
      reply = undefined
      behind = false
      claimed = answer.state.attention === 'human' && answer.state.value === 'claimed'
    }
    const { live } = answer
    if (live && (over.get(live.turn) ?? -1) < live.attempt) {
      const { turn, attempt } = live
      if (answer.missed && reply?.turn === turn && reply.attempt === attempt && reply.text !== live.text) {
        const sentence = `${turn}.${attempt} was heard as "${reply.text}" and is "${live.text}"`
        if (reply.text.startsWith(live.text)) shorter.push({ turn, attempt, sentence: `${label}: ${sentence}` })
        else complain(sentence)
      }
      reply = { turn: live.turn, attempt: live.attempt, text: live.text }
    }
  }

  const witness: Witness = {
    connected: () => tell('is connected'),
    disconnected() {
      joined = false
      live = new Set()
      tell('has lost its line')
    },
    heard(name, payload) {
      if (name !== 'agent.status') tell(`hears ${name} ${JSON.stringify(payload).slice(0, 160)}`)
      hear(name, payload as Frame, false)
    },
    sent(name, payload) {
      if (name === 'reply.seen') return
      tell(`sends ${name} ${JSON.stringify(payload).slice(0, 160)}`)
      if (name !== 'message.send') return
      const { id, text } = payload as Sent
      if (!sent.has(id)) sent.set(id, { id, text, at: now() })
    },
    answered(name, payload, answer) {
      if (name === 'reply.seen') return
      tell(`is answered ${name} ${JSON.stringify(answer).slice(0, 160)}`)
      const told = answer as { ok: boolean; code?: string; seq?: number }
      if (name === 'conversation.join' && told.ok) join(answer as Joined)
      if (name === 'reply.stop' && told.ok && (answer as { stopped: boolean }).stopped) stops++
      if (name !== 'message.send') return
      const one = sent.get((payload as Sent).id)
      if (!one) return
      if (told.ok && told.seq !== undefined) {
        if (one.seq !== undefined && one.seq !== told.seq) complain(`${one.id} was accepted as ${one.seq} and again as ${told.seq}`)
        one.accepted ??= now()
        one.seq = told.seq
      } else if (told.code) one.refused = told.code
    },
  }
  return { witness, sent, complaints, shorter, finished, stops: () => stops }
}
