/** What would stop a run before it begins, said in one sentence: too few files, too few ports, nobody there. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { type Socket, io } from 'socket.io-client'
import type { Plan } from './crew.ts'
import { Misuse } from './misuse.ts'

export interface Limits {
  /** Files that one process may have open. */
  files: number
  /** Ports for outgoing connections, of each local address. */
  ports: number
}

/** Files of a process that are no sockets, and the part of the ports that others may have or that wait for their end. */
const OTHER_FILES = 64
const FREE_PORTS = 0.95
/** Where the system does not tell: what IANA sets aside. */
const PORTS = 16_384
const PATIENCE = 5_000

export function readLimits(): Limits {
  return { files: files(), ports: ports() }
}

function files(): number {
  try {
    return Number(execFileSync('sh', ['-c', 'ulimit -n'], { encoding: 'utf8' })) || Number.POSITIVE_INFINITY // unlimited
  } catch {
    return Number.POSITIVE_INFINITY // no shell to ask; the system will say it when it comes to that
  }
}

function ports(): number {
  try {
    const [from = 0, to = 0] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').trim().split(/\s+/).map(Number)
    return to - from + 1
  } catch {
    return PORTS // not Linux
  }
}

/** The plan as this machine can bear it. */
export function fitted(plan: Plan, workers: number, { files, ports }: Limits): Plan {
  const each = Math.ceil(plan.sockets / workers) + OTHER_FILES
  if (each > files)
    throw new Misuse(
      `${plan.sockets} sockets in ${workers} processes need ${each} open files each, and ${files} are allowed: ulimit -n ${each}, or more --workers.`,
    )
  const most = Math.floor(ports * FREE_PORTS)
  if (plan.sockets / plan.urls.length <= most) return plan
  const hosts = plan.urls.map((url) => new URL(url).hostname)
  const distant = hosts.find((host) => !isLoopback(host))
  if (distant)
    throw new Misuse(
      `${plan.sockets} sockets to ${plan.urls.length === 1 ? 'one address' : `${plan.urls.length} addresses`} need more than the ${ports} ports that this machine has for each of them: name more addresses, or share the sockets out among several machines.`,
    )
  const addresses = Array.from({ length: Math.ceil(plan.sockets / most) }, (_, at) => `127.0.${(at + 2) >> 8}.${(at + 2) & 255}`)
  // Whoever connects from 127.0.0.2 cannot do so to ::1.
  const urls = plan.urls.map((url) => url.replace('//localhost', '//127.0.0.1').replace('//[::1]', '//127.0.0.1'))
  return { ...plan, urls, from: { addresses, sockets: most } }
}

const isLoopback = (host: string) => host === 'localhost' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host)

/** One socket there and one conversation: is it the kind of server that we can speak to? */
export async function probe(url: string, token: string | undefined): Promise<void> {
  const socket = io(url, {
    transports: ['websocket'],
    forceNew: true,
    multiplex: false,
    reconnection: false,
    timeout: PATIENCE,
    ...(token && { auth: { token } }),
  })
  try {
    await connected(socket, url)
    const answer = await socket
      .timeout(PATIENCE)
      .emitWithAck('conversation.join', { conversation: crypto.randomUUID() })
      .catch(() => undefined)
    if (answer?.ok === false) throw new Misuse(`${url} does not let us into a conversation: ${answer.message}`)
    if (answer?.ok !== true || !Number.isInteger(answer.seq))
      throw new Misuse(`${url} is a Socket.IO server and does not know conversation.join; this is not the protocol that we speak.`)
  } finally {
    socket.close()
  }
}

function connected(socket: Socket, url: string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('connect_error', (error: Error & { data?: unknown; description?: { message?: string; error?: NodeJS.ErrnoException } }) => {
      const { description } = error
      const code = description?.error?.code
      const status = /Unexpected server response: (\d+)/.exec(description?.message ?? '')?.[1]
      if (status) return reject(new Misuse(`${url} answers, and is no Socket.IO server (${status} to the WebSocket handshake).`))
      if (!description)
        return reject(
          new Misuse(
            error.message === 'timeout'
              ? `${url} does not answer within ${PATIENCE / 1000} s.`
              : `${url} refuses the connection: ${error.message}`,
          ),
        )
      reject(new Misuse(`${url} cannot be reached (${code ?? description.message ?? error.message}).`))
    })
  })
}
