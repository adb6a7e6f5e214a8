/** The recorded streams, put back on the wire as their services frame them (fixtures/models/MANIFEST.md says how). */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Wire } from '../../support/provider.ts'

const root = fileURLToPath(new URL('../../fixtures/models/', import.meta.url))

const folders: Record<Wire, string> = {
  anthropic: 'anthropic',
  openai: 'openai-responses',
  chat: 'openai-chat',
  gemini: 'gemini',
  ollama: 'ollama',
}

export const fixture = (path: string): string => readFileSync(join(root, path), 'utf8')

export const recordings = (wire: Wire): string[] =>
  readdirSync(join(root, folders[wire]))
    .filter((file) => /\.(chunks\.txt|sse|ndjson)$/.test(file))
    .sort()

export function recording(wire: Wire, file: string): string {
  const body = fixture(`${folders[wire]}/${file}`)
  if (!file.endsWith('.chunks.txt')) return body
  const lines = body.split('\n').filter((line) => line.trim() !== '')
  if (wire === 'chat') return `${lines.map((line) => `data: ${line}\n\n`).join('')}data: [DONE]\n\n`
  if (wire === 'gemini') return lines.map((line) => `data: ${line}\r\n\r\n`).join('')
  // The type is cut out with a pattern: one line is broken on purpose.
  return lines.map((line) => `event: ${/"type"\s*:\s*"([^"]+)"/.exec(line)?.[1]}\ndata: ${line}\n\n`).join('')
}
