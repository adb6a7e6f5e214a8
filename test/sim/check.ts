/** Holds a world's journals against each other and against what is stored. The names of the invariants are those of the README. */
import { checkSteps } from './check.steps.ts'
import { checkWords } from './check.words.ts'
import { readStored } from './stored.ts'
import type { SimStore } from './store.ts'
import { FLEET_RINGS } from './fleet.ts'
import { chatId } from './homes.ts'
import { type Ended, RINGS } from './world.ts'

/** Why an attempt is withdrawn whose words died with their node. */
const losses = new Set(['node.lost', 'salvage.failed'])

export async function check(
  world: Pick<Ended, 'story' | 'tabs' | 'providers' | 'kills' | 'restless' | 'holds' | 'complaints' | 'seconds'> & { breaches?: string[] },
  store: SimStore,
): Promise<string[]> {
  const found: string[] = []
  const fail = (invariant: string, sentence: string) => found.push(`${invariant}: ${sentence}`)
  const { messages, events, journal, actors, usage, letters } = await readStored(store)

  found.push(...(world.breaches ?? []))
  if (world.restless) fail('I8 liveness', `after ${Math.round(world.seconds)} s ${world.restless}`)
  for (const complaint of world.complaints) fail('I8 liveness', complaint)
  for (const { error } of letters) fail('I1 no loss', `an event was set aside: ${error.split('\n')[0]}`)

  for (const [chat] of world.story.chats.entries()) {
    const conversation = chatId(chat)
    const mine = messages.filter((message) => message.conversation === conversation)
    const told = events.filter((event) => event.conversation === conversation)
    const tabs = world.tabs.filter((tab) => tab.chat === chat)
    for (const [at, { seq }] of told.entries())
      if (seq !== at + 1) fail('I4 single writer', `chat ${chat} has event ${seq} at place ${at + 1}`)

    // Which turn answers which message, and how each turn ended.
    const turnOf = new Map<string, string[]>()
    const ends = new Map<string, string[]>()
    const replies = new Map<string, number>()
    let claimed = false
    const forPeople = new Set<string>()
    const accepted: string[] = []
    const answered: string[] = []
    for (const { name, payload } of told) {
      const { turn = '', messages: ids = [] } = payload
      if (name === 'operator.joined') claimed = true
      if (name === 'operator.left') claimed = false
      if (name === 'message.accepted' && payload.message) {
        accepted.push(payload.message.id)
        if (claimed) forPeople.add(payload.message.id)
      }
      if (name === 'turn.started' || name === 'turn.widened')
        for (const id of ids) {
          turnOf.set(id, [...(turnOf.get(id) ?? []), turn])
          answered.push(id)
        }
      if (name === 'reply.finished') replies.set(turn, (replies.get(turn) ?? 0) + 1)
      if (name === 'turn.finished' || name === 'turn.failed' || name === 'turn.stopped') ends.set(turn, [...(ends.get(turn) ?? []), name])
      if ((name === 'reply.finished' || name === 'turn.started') && claimed)
        fail('law 5', `chat ${chat}: ${name} of ${turn} while a person has it`)
    }
    const everClaimed = told.some(({ name }) => name === 'operator.joined')
    const lost = new Set(
      told.flatMap(({ name, payload: { turn, attempt, reason = '' } }) =>
        name === 'reply.retracted' && losses.has(reason) ? [`${turn}.${attempt}`] : [],
      ),
    )

    for (const { journal: heard, label } of tabs) {
      for (const complaint of heard.complaints) fail('I5 stream', complaint)
      for (const { turn, attempt, sentence } of heard.shorter) if (!lost.has(`${turn}.${attempt}`)) fail('I5 stream', sentence)
      for (const one of heard.sent.values()) {
        const stored = mine.find(({ id }) => id === one.id)
        if (one.seq !== undefined) {
          if (!stored) fail('I1 no loss', `${label} was told that "${one.text}" is kept, and it is not`)
          else if (stored.seq !== one.seq || stored.text !== one.text)
            fail('I1 no loss', `"${one.text}" is kept as ${JSON.stringify(stored)}`)
          const turns = turnOf.get(one.id) ?? []
          if (turns.length === 0 && !everClaimed) fail('I1 no loss', `"${one.text}" was accepted and no turn has it`)
          if (turns.length > 1) fail('I2 one answer', `"${one.text}" belongs to the turns ${turns.join()}`)
          for (const turn of turns) if (!ends.has(turn)) fail('I1 no loss', `"${one.text}" belongs to ${turn}, which did not end`)
          // An acknowledgement that is lost is made good by the event itself.
        } else if (one.refused === undefined && !stored) fail('I11 honest failure', `${label} never heard what became of "${one.text}"`)
      }
    }
    for (const [turn, count] of replies) if (count > 1) fail('I2 one answer', `chat ${chat}: ${turn} has ${count} replies`)
    for (const [turn, names] of ends) if (names.length > 1) fail('I2 one answer', `chat ${chat}: ${turn} ended as ${names.join()}`)
    const order = accepted.filter((id) => answered.includes(id))
    if (order.join() !== answered.filter((id) => accepted.includes(id)).join())
      fail('I3 order', `chat ${chat}: accepted ${order.join()} and answered ${answered.join()}`)
    const begun = told.filter(({ name }) => name === 'turn.started').map(({ payload }) => payload.turn)
    const over = told.filter(({ name }) => /^turn\.(finished|failed|stopped)$/.test(name)).map(({ payload }) => payload.turn)
    if (begun.filter((turn) => over.includes(turn)).join() !== over.join())
      fail('I3 order', `chat ${chat}: begun ${begun.join()}, ended ${over.join()}`)

    // Every tab that is connected knows by itself what is stored.
    for (const { client, journal: heard, label } of tabs) {
      const transcript = client.transcript
      if (!transcript) continue
      if (transcript.faults > 0) fail('I5 stream', `${label}: ${transcript.faults} replies were not what had been heard`)
      const shown = transcript.messages.map(({ id, text }) => `${id} ${text}`)
      const stored = mine.map(({ id, text }) => `${id} ${text}`)
      if (shown.join('\n') !== stored.join('\n'))
        fail('I5 stream', `${label} shows\n  ${shown.join('\n  ')}\nand stored is\n  ${stored.join('\n  ')}`)
      if (transcript.reply) fail('I8 liveness', `${label} still shows a reply in flight`)
      for (const [turn, text] of heard.finished) {
        const reply = mine.find((message) => message.turn === turn && message.role === 'assistant')
        if (reply?.text !== text) fail('I5 stream', `${label} heard ${turn} as "${text}" and "${reply?.text}" is stored`)
      }
    }

    const stops = tabs.reduce((sum, { journal }) => sum + journal.stops(), 0)
    const stopped = told.filter(({ name, payload }) => name === 'turn.stopped' && payload.code === 'user.stopped').length
    if (stops > stopped) fail('I11 honest failure', `chat ${chat}: ${stops} stops were acknowledged and ${stopped} turns stopped`)

    const steps = journal.filter(({ actor }) => actor === conversation)
    checkSteps(
      steps,
      actors.find(({ id }) => id === conversation),
      fail,
    )
    const generations = world.providers.journal.filter(({ marks }) => marks.at(-1)?.startsWith(`#c${chat}m`))
    const bills = usage.filter((bill) => bill.conversation === conversation)
    checkWords({ chat, told, mine, generations, bills, kills: world.kills }, fail)
  }

  const { rings: _, residents, sockets: __, ...rest } = world.holds
  for (const [what, count] of Object.entries(rest)) if (count > 0) fail('I7 bounded', `${count} ${what} at rest`)
  const { fleet } = world.story
  if (residents > Math.max(world.story.residents, 1) * (fleet ? fleet.nodes + 2 : 1)) fail('I7 bounded', `${residents} residents`)
  if (world.holds.rings > (fleet ? FLEET_RINGS : RINGS)) fail('I7 bounded', `${world.holds.rings} timers at rest`)
  return found
}
