/** Posts on one network in memory and one clock, which a test moves. What each heard stands in a list, `gap` where some are missing. */
import type { Carrier } from '../../runtime/cluster/carrier.ts'
import { type Fate, type Journey, memoryNetwork } from '../../runtime/cluster/carrier.memory.ts'
import { createPost, type Letter, type Peer } from '../../runtime/cluster/post.ts'
import type { Log } from '../../runtime/watch/log.ts'
import { handClock, settled } from './clock.ts'

export const peer = (node: string, life = '1'): Peer => ({ node, life })
export const letter = (text: string, more: object = {}): Letter => ({ type: 'said', text, ...more })

export interface Sent {
  carrier: string
  to: string
  parcel: string
}

interface Needs {
  /** Best first. */
  carriers?: { name: string; most?: number; pause?: number }[]
  /** Of the nth parcel, from 0, that was carried so. */
  fate?(sent: Sent, nth: number): Fate | Journey
}

export function posts({ carriers = [{ name: 'memory' }], fate = () => 'ok' }: Needs = {}) {
  const clock = handClock()
  const parcels: Sent[] = []
  const lines: string[] = []
  const networks = carriers.map(({ name }) => {
    let nth = 0
    return memoryNetwork({
      clock,
      fate(_, to, parcel) {
        const sent = { carrier: name, to, parcel }
        parcels.push(sent)
        return fate(sent, nth++)
      },
    })
  })
  const write = (level: string) => (what: object, sentence: string) =>
    void lines.push(`${level} ${'carrier' in what ? `${what.carrier}: ` : ''}${sentence}`)
  const log: Log = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }

  async function node(
    name: string,
    { life = '1', secret = 'secret', hear, open = true }: { life?: string; secret?: string; hear?(one: Letter): void; open?: boolean } = {},
  ) {
    const heard: string[] = []
    const me = peer(name, life)
    const post = createPost({
      me,
      secret,
      prefix: 'test',
      carriers: networks.map((network, at): Carrier => network.carrier(name, carriers[at])),
      clock,
      log,
    })
    const listen = () =>
      post.open({
        letter(_, one) {
          hear?.(one)
          heard.push(String(one.text))
        },
        gap: () => void heard.push('gap'),
      })
    if (open) await listen()
    return { me, post, heard, listen }
  }

  return {
    clock,
    /** What the nodes have said in their logs. */
    lines,
    /** Whatever was carried. */
    parcels,
    node,
    /** Somebody else on the same network. */
    thief: (at = 0) => networks[at]!.carrier('thief'),
    settled: () => settled(),
    pass: (ms: number) => clock.pass(ms).then(() => settled()),
  }
}
