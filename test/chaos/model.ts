/** The double from outside: starts it, tells it how to behave, reads its journal. */
import { fork } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Wire } from '../support/provider.ts'
import { within } from '../support/within.ts'
import type { Generation, Manner, Ready } from './double.ts'

export interface Model {
  /** Settings by which a life of a world asks this double, over one of the wires. */
  settings(world: string, life: number, wire: Wire): Record<string, string>
  behave(manner: Manner): void
  /** Everything that it said in this world so far. */
  generations(world: string): Promise<Generation[]>
  close(): void
}

/** Those that send a key, by which the double knows who asks. */
export const wiresWithKeys = ['openai', 'anthropic', 'chat', 'gemini'] as const satisfies Wire[]

const keyed: Record<Wire, (key: string, url: string) => Record<string, string>> = {
  openai: (key, url) => ({ OPENAI_API_KEY: key, OPENAI_BASE_URL: url }),
  anthropic: (key, url) => ({ ANTHROPIC_API_KEY: key, ANTHROPIC_BASE_URL: url }),
  gemini: (key, url) => ({ GEMINI_API_KEY: key, GEMINI_BASE_URL: url }),
  chat: (key, url) => ({ CHAT_API_KEY: key, CHAT_BASE_URL: url, CHAT_MODEL: 'double' }),
  ollama: (_, url) => ({ OLLAMA_BASE_URL: url, OLLAMA_MODEL: 'double' }),
}

export async function startModel(folder: string, seed: number): Promise<Model> {
  const child = fork(fileURLToPath(new URL('double.ts', import.meta.url)), [folder, String(seed)], { execArgv: ['--import', 'tsx'] })
  const { urls } = await within(
    20_000,
    new Promise<Ready>((resolve) => child.once('message', (told) => resolve(told as Ready))),
    'the double',
  )
  return {
    settings: (world, life, wire) => keyed[wire](`chaos-${world}-${life}`, urls[wire]),
    behave: (manner) => void child.send(manner),
    async generations(world) {
      const text = await readFile(join(folder, `${world}.generations`), 'utf8').catch(() => '')
      return text
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as Generation)
    },
    close: () => void child.kill(),
  }
}
