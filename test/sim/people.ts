/** Everybody outside: tabs that come in by some door, and somebody at the operators' desk. The same for one node and for many. */
import { connect } from '../../channels/web/client.ts'
import { memoryStore } from '../../channels/web/outbox.ts'
import type { Engine } from '../../runtime/host/engine.ts'
import { demo } from '../../sql/tenants.ts'
import type { Chances } from './chance.ts'
import { type Door, createConnection } from './connection.ts'
import { chatId } from './homes.ts'
import type { Act, Story } from './story.ts'
import type { SimStore } from './store.ts'
import type { Time } from './time.ts'
import { createWitness } from './witness.ts'

export const tenant = demo.id
export const principal = { tenant: demo, who: 'someone', role: 'owner' as const }
export const nobody: Door = { enter: () => undefined, left() {} }

interface Needs {
  story: Story
  of: Chances
  time: Time
  store: SimStore
  tell(who: string, what: string): void
  /** Whichever node is to be tried now, for the tab of this name. */
  door(tab: string): Door
  /** Some node that is open. */
  engine(): Engine | undefined
}

type PersonsAct = Extract<Act, { do: 'say' | 'repeat' | 'stop' | 'cut' | 'stall' | 'claim' }>

export function createPeople({ story, of, time, store, tell, door, engine }: Needs) {
  const tabs = story.chats.flatMap(({ tabs: count }, chat) =>
    Array.from({ length: count }, (_, tab) => {
      const label = `tab${chat}.${tab}`
      const journal = createWitness(label, time.now, (line) => tell(label, line))
      const connection = createConnection({
        time,
        chance: of('network', chat, tab),
        door: () => door(label),
        principal,
        witness: journal.witness,
        slowest: story.network,
      })
      const client = connect({ socket: connection.socket as never, store: memoryStore(), patience: story.clientPatience })
      client.open(chatId(chat))
      return { chat, tab, label, journal, connection, client }
    }),
  )
  const tabOf = ({ chat, tab }: { chat: number; tab: number }) =>
    tabs.find((one) => one.chat === chat && one.tab === tab) as (typeof tabs)[0]

  /** Somebody at the operators' desk, who tries until it is done or there is nobody to be taken over. */
  async function operate(chat: number, event: { type: string; [key: string]: unknown }): Promise<void> {
    for (;;) {
      const outcome = await engine()
        ?.host.tell({ tenant, actor: chatId(chat), envelope: { to: 'root', event } })
        .then(
          () => 'done',
          (error: { code?: string }) => error.code,
        )
      if (outcome === 'done' || outcome === 'conversation.unknown') return
      await new Promise<void>((resolve) => time.after(200, resolve))
    }
  }

  const acts: { [D in PersonsAct['do']]: (act: Extract<PersonsAct, { do: D }>) => void } = {
    say: (act) => void tabOf(act).client.send(act.text),
    repeat: (act) => {
      const [first] = tabOf(act).journal.sent.values()
      if (first)
        tabOf(act)
          .connection.socket.timeout(3_000)
          .emit('message.send', { conversation: chatId(act.chat), id: first.id, text: first.text }, () => {})
    },
    stop: (act) => tabOf(act).client.stop(),
    cut: (act) => tabOf(act).connection.cut(act.silent),
    stall: (act) => tabOf(act).connection.stall(act.ms, act.frames),
    claim({ chat, ms }) {
      void operate(chat, { type: 'operator.claimed', name: 'Ada' }).then(() =>
        time.after(ms, () => void operate(chat, { type: 'operator.released' })),
      )
    },
  }

  /** Whoever has yet to hear the last of it, or nothing. */
  function unserved(): string {
    for (const { label, client, connection } of tabs) {
      if (!connection.socket.connected) return `${label} is not connected`
      if (connection.isStalled()) return `${label} reads nothing`
      const waiting = client.transcript?.outgoing.filter(({ failed }) => failed === undefined).length ?? 0
      if (waiting > 0) return `${label} has ${waiting} messages that nobody answered`
    }
    return ''
  }

  /** Whoever asked while the store was slow asks again; until then it has not heard the last of it. */
  async function unheard(): Promise<string> {
    const stood = await store.ask<{ id: string; seq: number }>(`select id, seq from conversations`).catch(() => [])
    for (const { label, chat, client } of tabs) {
      const seq = Number(stood.find(({ id }) => id === chatId(chat))?.seq ?? 0)
      if ((client.transcript?.seq ?? 0) < seq) return `${label} has heard ${client.transcript?.seq} of ${seq} events`
    }
    return ''
  }

  return {
    tabs,
    act: (act: PersonsAct) => acts[act.do](act as never),
    unserved,
    unheard,
    leave() {
      for (const { client, connection } of tabs) {
        client.close()
        connection.socket.disconnect()
      }
    },
  }
}

/**
 * What there is to be done still by the tables of work. Pieces that nobody reads any more are removed once a minute; `isSwept`: nobody
 * waits for that, it happens now.
 */
export async function workLeft(store: SimStore, isSwept = false): Promise<string> {
  const [rows] = await store
    .ask<{ effects: number; timers: number; inbox: number; chunks: number }>(
      `select (select count(*)::int from effects) as effects, (select count(*)::int from timers) as timers,
        (select count(*)::int from inbox where applied_version is null) as inbox, (select count(*)::int from chunks) as chunks`,
    )
    .catch(() => [undefined])
  if (!rows) return 'the store is in the middle of something'
  const left = Object.entries(rows).filter(([, count]) => count > 0)
  if (isSwept && rows.chunks > 0 && left.length === 1) {
    await store.ask('select sweep_chunks(10000)')
    return workLeft(store)
  }
  return left.map(([table, count]) => `${count} rows in ${table}`).join(', ')
}
