/**
 * A network of our own, to be cut in silence: each place is a namespace on a bridge that leads to this process and to nothing else. A cut
 * drops frames; nobody gets a reset, nobody hears that anything is out of reach, new connections hang. Linux, as root.
 */
import { execFile, execFileSync } from 'node:child_process'
import { networkInterfaces } from 'node:os'
import { promisify } from 'node:util'

export interface Place {
  /** Put before a command, it runs here; the process stays the same. */
  within: readonly string[]
  address: string
  /** Not a frame goes in or out. */
  cut(): Promise<void>
  /** What is sent `out` of here, or `in` to here, gets lost; the other way stays open. */
  oneWay(lost: 'out' | 'in'): Promise<void>
  heal(): Promise<void>
}

export interface Network {
  /** Where this process can be reached from every place. */
  host: string
  places: readonly Place[]
  close(): Promise<void>
}

/** Nobody has it, so what is sent there is lost. */
const NOBODY = '02:00:00:00:00:01'

const ip = (...words: string[]) => promisify(execFile)('ip', words)

let why: string | undefined | false = false
let count = 0

/** Why there can be no such network here, in a sentence; undefined where there can. */
export function whyNoNetwork(): string | undefined {
  if (why === false) why = look()
  return why
}

function look(): string | undefined {
  if (process.platform !== 'linux') return 'network namespaces are Linux'
  if (process.getuid?.() !== 0) return 'network namespaces need root'
  const probe = `nxp${process.pid.toString(36)}`
  const run = (command: string, ...words: string[]) =>
    execFileSync(command, words, { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' })
  try {
    run('ip', 'netns', 'add', probe)
    run('ip', 'link', 'add', probe, 'type', 'bridge')
    run('ip', 'link', 'add', `${probe}v`, 'type', 'veth', 'peer', 'name', `${probe}w`)
    run('bridge', '-V')
    return undefined
  } catch (error) {
    const { code, stderr, path } = error as NodeJS.ErrnoException & { stderr?: string }
    return code === 'ENOENT' ? `${path} is not installed` : `network namespaces are not allowed here (${stderr?.trim().split('\n')[0]})`
  } finally {
    for (const words of [
      ['link', 'del', `${probe}v`],
      ['link', 'del', probe],
      ['netns', 'del', probe],
    ])
      try {
        run('ip', ...words)
      } catch {
        // it was never made
      }
  }
}

export async function openNetwork({ places: wanted }: { places: number }): Promise<Network> {
  const reason = whyNoNetwork()
  if (reason) throw new Error(`No network can be made: ${reason}.`)
  const name = `nx${process.pid.toString(36)}${(count++).toString(36)}` // an interface has at most fifteen signs
  const net = freeNet()
  const host = `${net}.1`
  const places: Place[] = []

  /** All of it, also after half of it. */
  async function close() {
    process.off('exit', sweep)
    for (let at = 0; at < wanted; at++) {
      await ip('link', 'del', `${name}v${at}`).catch(() => {})
      await ip('netns', 'del', `${name}n${at}`).catch(() => {})
    }
    await ip('link', 'del', name).catch(() => {})
  }
  function sweep() {
    for (let at = 0; at < wanted; at++) quietly('netns', 'del', `${name}n${at}`)
    quietly('link', 'del', name)
  }
  process.once('exit', sweep)

  try {
    await ip('link', 'add', name, 'type', 'bridge')
    await ip('addr', 'add', `${host}/24`, 'dev', name)
    await ip('link', 'set', name, 'up')
    for (let at = 0; at < wanted; at++) places.push(await addPlace({ name, host, address: `${net}.${at + 2}`, at }))
  } catch (error) {
    await close()
    throw error
  }
  return { host, places, close }
}

async function addPlace({ name, host, address, at }: { name: string; host: string; address: string; at: number }): Promise<Place> {
  const [space, outside, inside] = [`${name}n${at}`, `${name}v${at}`, `${name}w${at}`]
  await ip('netns', 'add', space)
  await ip('link', 'add', outside, 'type', 'veth', 'peer', 'name', inside)
  await ip('link', 'set', inside, 'netns', space)
  await ip('link', 'set', outside, 'master', name)
  await ip('link', 'set', outside, 'up')
  await ip('-n', space, 'addr', 'add', `${address}/24`, 'dev', inside)
  await ip('-n', space, 'link', 'set', 'lo', 'up')
  await ip('-n', space, 'link', 'set', inside, 'up')

  // A port that is disabled is still up: the kernel at either end believes in its line.
  const port = (state: 0 | 3) => promisify(execFile)('bridge', ['link', 'set', 'dev', outside, 'state', String(state)])
  // A route that swallows would tell whoever dials. A neighbour at a wrong address tells nobody.
  const mislead = {
    out: ['-n', space, 'neigh', 'replace', host, 'lladdr', NOBODY, 'dev', inside, 'nud', 'permanent'],
    in: ['neigh', 'replace', address, 'lladdr', NOBODY, 'dev', name, 'nud', 'permanent'],
  }
  return {
    within: ['ip', 'netns', 'exec', space],
    address,
    cut: async () => void (await port(0)),
    oneWay: async (lost) => void (await ip(...mislead[lost])),
    async heal() {
      await port(3)
      await ip('-n', space, 'neigh', 'flush', 'dev', inside, 'nud', 'permanent')
      await ip('neigh', 'flush', 'to', address, 'dev', name, 'nud', 'permanent')
    },
  }
}

/** A private net that no interface of this machine is in. */
function freeNet(): string {
  const taken = new Set(
    Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address.split('.').slice(0, 3).join('.'))),
  )
  for (;;) {
    const net = `10.${100 + Math.floor(Math.random() * 100)}.${Math.floor(Math.random() * 256)}`
    if (!taken.has(net)) return net
  }
}

function quietly(...words: string[]) {
  try {
    execFileSync('ip', words, { stdio: 'ignore' })
  } catch {
    // the process ends: nobody could do anything about it
  }
}
