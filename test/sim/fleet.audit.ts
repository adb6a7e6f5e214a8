/** Looks over the shoulders of all nodes of a fleet: who holds what under which epoch, and who speaks for a conversation. */
import { DOUBT } from '../../runtime/cluster/proof.ts'
import { shardAmong } from '../../runtime/cluster/shards.ts'
import type { SimNode } from './node.ts'
import { SHARDS, chatId } from './homes.ts'
import type { Time } from './time.ts'

/** Milliseconds between two looks. */
const LOOK = 250
/** A node sees its own silence when it is about to speak, and others hear of their turn a moment before they use it. */
const SLACK = 50

interface Needs {
  time: Time
  chats: number
  nodes(): readonly SimNode[]
  complain(sentence: string): void
}

export function createAudit({ time, chats, nodes, complain }: Needs) {
  const shards = [...new Set(Array.from({ length: chats }, (_, chat) => shardAmong(chatId(chat), SHARDS)))]
  /** By shard and epoch: the life that has it. */
  const holders = new Map<string, string>()
  /** By room: when each epoch was first spoken under. */
  const spoken = new Map<string, { epoch: number; life: string; at: number }[]>()
  let over = false
  const said = new Set<string>()
  const once = (sentence: string) => {
    if (!said.has(sentence)) complain(sentence)
    said.add(sentence)
  }

  function hold(shard: number, epoch: number, life: string) {
    const key = `${shard}/${epoch}`
    const holder = holders.get(key)
    if (holder === undefined) holders.set(key, life)
    else if (holder !== life) once(`I4 single writer: ${holder} and ${life} both have shard ${shard} under epoch ${epoch}`)
  }

  function look() {
    if (over) return
    for (const { cluster, isAlive } of nodes()) {
      if (!cluster || !isAlive()) continue
      for (const shard of shards) {
        const epoch = cluster.membership.epochOf(shard)
        if (epoch !== undefined) hold(shard, epoch, cluster.membership.me.life)
      }
    }
    time.after(LOOK, look)
  }
  look()

  return {
    /** An owner tells its watchers words. */
    spoke(room: string, epoch: number, life: string) {
      const at = time.ticks()
      const before = spoken.get(room) ?? []
      spoken.set(room, before)
      hold(shardAmong(room.slice(room.indexOf('/') + 1), SHARDS), epoch, life)
      const mine = before.find((one) => one.epoch === epoch)
      if (!mine) before.push({ epoch, life, at })
      for (const newer of before)
        if (newer.epoch > epoch && newer.life !== life && at - newer.at > DOUBT + SLACK)
          once(
            `I4 single writer: ${life} still speaks under epoch ${epoch}, ${Math.round(at - newer.at)} ms after ${newer.life} began to under ${newer.epoch}`,
          )
    },
    close() {
      over = true
    },
  }
}
