/** What the provider said and what it cost, held against what is stored and billed. */
import type { Generation } from './provider.ts'
import type { StoredMessage } from '../support/stored.ts'
import type { Bill, StoredEvent } from './stored.ts'

interface Chat {
  chat: number
  told: StoredEvent[]
  mine: StoredMessage[]
  generations: Generation[]
  bills: Bill[]
  kills: number
}

/** Simulated milliseconds in which a stop reaches a provider that speaks. */
const REACH = 500
/** Why a draft is withdrawn while it is still written: what it cost by then is known to nobody. */
const aborted = new Set(['message.merged', 'the answer took too long'])

export function checkWords({ chat, told, mine, generations, bills, kills }: Chat, fail: (invariant: string, sentence: string) => void) {
  const markOf = (id: string) => mine.find((message) => message.id === id)?.text.match(/#c\d+m\d+/)?.[0] ?? id
  const turnOf = new Map<string, string>()
  for (const { name, payload } of told)
    if (name === 'turn.started' || name === 'turn.widened')
      for (const id of payload.messages ?? []) turnOf.set(markOf(id), payload.turn ?? '')
  const of = (turn: string) => generations.filter(({ marks }) => turnOf.get(marks.at(-1) ?? '') === turn)

  for (const { name, at, payload } of told) {
    const { turn = '', message, partial } = payload
    if (name === 'reply.finished' && message) {
      const texts = of(turn).map(({ text }) => text)
      const said = partial ? texts.some((text) => text.startsWith(message.text)) : texts.includes(message.text)
      // Admin asks back without a model.
      if (texts.length > 0 && !said) fail('I5 stream', `chat ${chat}: ${turn} is stored as "${message.text}", which no provider said`)
      const delivered = of(turn).find(({ text, end }) => text === message.text && end === 'whole')
      if (delivered && !partial && !bills.some((bill) => bill.turn === turn && bill.out === delivered.out))
        fail('I9 cost', `chat ${chat}: the answer of ${turn} was not billed`)
    }
    if (name === 'turn.stopped')
      for (const generation of of(turn))
        if (generation.end !== 'severed' && !generation.disowned && generation.over > at + REACH)
          fail(
            'I11 honest failure',
            `chat ${chat}: ${turn} was stopped and the provider spoke on for ${Math.round(generation.over - at)} ms`,
          )
  }

  for (const turn of new Set(turnOf.values())) {
    const whole = of(turn).filter(({ end }) => end === 'whole').length
    const reasons = told.filter(
      ({ name, payload }) => payload.turn === turn && (name === 'turn.escalated' || name === 'turn.failed' || name === 'reply.retracted'),
    ).length
    if (whole > 1 + reasons + kills)
      fail('I9 cost', `chat ${chat}: ${turn} was written ${whole} times, for ${reasons} reasons and ${kills} kills`)
    // Each row is one generation's; one that is partly estimated has others in it that came to nothing.
    const unbilled = of(turn).filter(({ end }) => end === 'whole')
    for (const { out, estimated } of bills.filter((bill) => bill.turn === turn).sort((a, b) => Number(a.estimated) - Number(b.estimated))) {
      const at = unbilled.findIndex((generation) => generation.out === out || (estimated && generation.out < out))
      if (at >= 0) unbilled.splice(at, 1)
      else if (!estimated) fail('I9 cost', `chat ${chat}: ${turn} was billed ${out} tokens that no generation made`)
    }
    // A draft that is withdrawn while it is written takes what is known of its price with it.
    const withdrawn = told.filter(
      ({ name, payload }) => payload.turn === turn && name === 'reply.retracted' && aborted.has(payload.reason ?? ''),
    ).length
    if (kills === 0 && unbilled.length > withdrawn)
      fail('I9 cost', `chat ${chat}: ${unbilled.length} generations of ${turn} were not billed, and ${withdrawn} withdrawn`)
  }
  const sum = (list: { out: number }[]) => list.reduce((total, { out }) => total + out, 0)
  const billed = sum(bills.filter(({ estimated }) => !estimated))
  if (billed > sum(generations)) fail('I9 cost', `chat ${chat}: ${billed} tokens were billed and ${sum(generations)} made`)
}
