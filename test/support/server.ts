/** The real system in this process, on a free port and a store that forgets: what a test does not name is as it comes. */
import { SignJWT } from 'jose'
import { readConfig } from '../../runtime/config.ts'
import { type System, startSystem } from '../../runtime/system.ts'
import type { Log } from '../../runtime/watch/log.ts'
import { silent } from '../../runtime/watch/log.ts'
import type { ProviderDouble, Wire } from './provider.ts'
import { patience } from './within.ts'

export interface TestServer extends System {
  /** A request with a JSON body, or with whatever body and headers it is given. */
  ask(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answered>
}

export interface Answered {
  status: number
  headers: Headers
  text: string
  /** The body as JSON; throws where it is none. */
  json<T = Record<string, unknown>>(): T
}

export async function testServer(environment: Record<string, string> = {}, log: Log = silent): Promise<TestServer> {
  const system = await startSystem(readConfig({ PORT: '0', DATA_DIR: ':memory:', OFFLINE_PACE: '0', ...environment }), log)
  return { ...system, ask: (...given) => asking(system.url, ...given) }
}

export async function asking(
  url: string,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answered> {
  const isRaw = typeof body === 'string' || body instanceof Uint8Array
  const response = await fetch(`${url}${path}`, {
    method,
    ...(body !== undefined && { body: isRaw ? (body as string) : JSON.stringify(body) }),
    headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, text, json: () => JSON.parse(text) }
}

/** Settings by which every tier asks this wire of the double. */
export function modelsAt(double: ProviderDouble, ...wires: Wire[]): Record<string, string> {
  const settings: Record<Wire, Record<string, string>> = {
    anthropic: { ANTHROPIC_API_KEY: 'key-a', ANTHROPIC_BASE_URL: double.url('anthropic') },
    openai: { OPENAI_API_KEY: 'key-o', OPENAI_BASE_URL: double.url('openai') },
    gemini: { GEMINI_API_KEY: 'key-g', GEMINI_BASE_URL: double.url('gemini') },
    chat: { CHAT_BASE_URL: double.url('chat'), CHAT_API_KEY: 'key-c', CHAT_MODEL: 'chat-model' },
    ollama: { OLLAMA_BASE_URL: double.url('ollama'), OLLAMA_MODEL: 'ollama-model' },
  }
  return Object.assign({}, ...wires.map((wire) => settings[wire]))
}

export const jwtSecret = 'a secret of more than thirty-two characters'

export const token = (
  claims: Record<string, unknown> & { sub?: string },
  { secret = jwtSecret, exp = '5m' as string | number } = {},
): Promise<string> => new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).setExpirationTime(exp).sign(new TextEncoder().encode(secret))

/** Waits until something is true and answers it. */
export async function until<T>(look: () => T | Promise<T>, what = 'the condition', ms = 10_000): Promise<NonNullable<T>> {
  for (const end = Date.now() + ms * patience; ; ) {
    const seen = await look()
    if (seen) return seen as NonNullable<T>
    if (Date.now() > end) throw new Error(`${what} did not become true within ${ms * patience} ms`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
