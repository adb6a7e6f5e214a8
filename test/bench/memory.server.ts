/** A node whose memory is looked at: with sockets that only listen, and with conversations that nobody talks to any more. */
import { roomOf } from '../../runtime/cluster/bus.ts'
import { defaultLimits } from '../../runtime/host/host.ts'
import { defaultPolicy } from '../../machines/policy.ts'
import { openNode, tenant } from './node.ts'
import { serve, settledMemory } from './worker.ts'

/** Trees that are kept at hand: few, so that nearly all conversations are at rest. */
const RESIDENTS = 100
const AT_ONCE = 20

const { url, engine, bus } = await openNode({ settings: { offlinePace: 0 }, limits: { ...defaultLimits, residents: RESIDENTS } })

/** A conversation of one whole turn. */
function converse(): Promise<void> {
  const conversation = crypto.randomUUID()
  return new Promise((resolve, reject) => {
    const leave = bus.watch(roomOf(tenant, conversation), ({ name }) => {
      if (name !== 'turn.finished' && name !== 'turn.failed') return
      leave()
      if (name === 'turn.finished') resolve()
      else reject(new Error('a turn failed'))
    })
    const birth = { kind: 'conversation' as const, owner: 'bench', channel: 'web', input: { conversation, policy: defaultPolicy } }
    const message = { id: 'm1', text: 'Hello!' }
    engine.host
      .tell({ tenant, actor: conversation, envelope: { to: 'root', event: { type: 'message.received', message } }, birth })
      .catch(reject)
  })
}

serve({
  url: () => url,
  /** Bytes of the whole process, after collection. */
  memory: async () => (await settledMemory()).rss,
  /** Bytes that JavaScript holds after so many conversations more. */
  converse: async (count: number) => {
    for (let done = 0; done < count; done += AT_ONCE) await Promise.all(Array.from({ length: AT_ONCE }, converse))
    return (await settledMemory()).heapUsed
  },
})
