/** A crowd that only looks on, to come back all at once. */
import { io } from 'socket.io-client'
import { moment } from './fleet.scenario.ts'
import type { Stage } from './fleet.stage.ts'

/** Sockets of it. */
export const HERD = 400

export interface Herd {
  /** Milliseconds that each socket of this door takes to be back at another, from the moment at which it is lost. */
  back(url: string): Promise<number[]>
  close(): void
}

/** Each watches a conversation of its own, and comes back by another door when it loses its own. */
export async function gather({ fleet, chance, blame }: Stage): Promise<Herd> {
  const doors = () => fleet.nodes.filter((node) => node.alive()).map(({ url }) => url)
  const sockets = Array.from({ length: HERD }, (_, at) => {
    const conversation = crypto.randomUUID()
    const socket = io(doors()[at % doors().length] as string, {
      transports: ['websocket'],
      forceNew: true,
      multiplex: false,
      reconnectionDelay: 50,
      reconnectionDelayMax: 1_000,
    })
    socket.io.on('reconnect_attempt', () => Object.assign(socket.io, { uri: chance.pick(doors()) }))
    const one = { socket, url: () => (socket.io as unknown as { uri: string }).uri, joined: false, heard: () => {} }
    socket.on('disconnect', () => {
      one.joined = false
    })
    const join = () =>
      socket.emit('conversation.join', { conversation }, ({ ok }: { ok: boolean }) => {
        if (!ok) return void setTimeout(() => socket.connected && join(), 100)
        one.joined = true
        one.heard()
      })
    socket.on('connect', join)
    return one
  })
  for (let waited = 0; waited < 30_000 && sockets.some(({ joined }) => !joined); waited += 20) await moment(20)
  const out = sockets.filter(({ joined }) => !joined).length
  if (out > 0) blame('live', `${out} of ${HERD} sockets have not joined within half a minute`)
  return {
    async back(url) {
      const mine = sockets.filter((one) => one.joined && one.url() === url)
      const times = await Promise.all(
        mine.map(
          ({ socket }, at) =>
            new Promise<number>((resolve) => {
              let lost = 0
              socket.once('disconnect', () => {
                lost = performance.now()
              })
              ;(mine[at] as (typeof mine)[0]).heard = () => lost > 0 && resolve(performance.now() - lost)
              setTimeout(() => resolve(Number.POSITIVE_INFINITY), 60_000)
            }),
        ),
      )
      const never = times.filter((ms) => !Number.isFinite(ms)).length
      if (never > 0) blame('live', `${never} of ${times.length} sockets did not come back within a minute`)
      return times.filter((ms) => Number.isFinite(ms))
    },
    close() {
      for (const { socket } of sockets) socket.close()
    },
  }
}
