/** Writes the README's tables from the code, so that they cannot disagree. `--check` only tells whether they do. */
import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { agent } from '../machines/agent.ts'
import { conversation } from '../machines/conversation.ts'
import { mermaidOf } from '../machines/mermaid.ts'
import { refusals } from '../machines/refusal.ts'
import { turn } from '../machines/turn.ts'
import { settings } from './config.ts'

const file = fileURLToPath(new URL('../README.md', import.meta.url))
const exampleFile = fileURLToPath(new URL('../.env.example', import.meta.url))

type Given = { name: string; aliases: string[]; fallback: unknown; why: string }
const given = Object.values(settings) as Given[]
const shown = (value: unknown) =>
  value === undefined || value === null || (Array.isArray(value) && value.length === 0) ? '–' : `\`${value}\``

/** By the name in the marker: `<!-- begin NAME -->`. */
const parts: Record<string, () => string> = {
  settings: () =>
    [
      '| variable | without it | what for |',
      '| --- | --- | --- |',
      ...given.map(
        ({ name, aliases, fallback, why }) =>
          `| \`${name}\`${aliases.map((alias) => `, \`${alias}\``).join('')} | ${shown(fallback)} | ${why} |`,
      ),
    ].join('\n'),
  refusals: () =>
    [
      '| code | HTTP | what it says |',
      '| --- | --- | --- |',
      ...Object.entries(refusals).map(([code, [status, sentence]]) => `| \`${code}\` | ${status} | ${sentence} |`),
    ].join('\n'),
  'chart conversation': () => fenced(mermaidOf(conversation)),
  'chart turn': () => fenced(mermaidOf(turn)),
  'chart agent': () => fenced(mermaidOf(agent)),
}

const fenced = (text: string) => `\`\`\`mermaid\n${text}\n\`\`\``

/** The README as the code wants it. Throws when a marker is missing. */
export function written(readme: string): string {
  return Object.entries(parts).reduce((text, [name, write]) => {
    const pattern = new RegExp(`(<!-- begin ${name} -->\n)[\\s\\S]*?(<!-- end ${name} -->)`)
    if (!pattern.test(text)) throw new Error(`README.md has no place for "${name}"`)
    return text.replace(pattern, (_, begin: string, end: string) => `${begin}${write()}\n${end}`)
  }, readme)
}

/** `.env.example`: every setting, commented out, with what it is for. */
export const example = () =>
  `# Every setting. Copy to .env and take away the # of what you need; the environment wins over this file.\n\n${given
    .map(
      ({ name, aliases, fallback, why }) =>
        `# ${why}${aliases.length ? ` (also: ${aliases.join(', ')})` : ''}\n#${name}=${fallback === undefined || fallback === null ? '' : String(fallback)}`,
    )
    .join('\n\n')}\n`

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const readme = await readFile(file, 'utf8')
  await writeFile(file, written(readme))
  await writeFile(exampleFile, example())
}
