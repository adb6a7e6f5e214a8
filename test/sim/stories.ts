/** Stories that once went wrong, each under the name of the bug that it shows. They are played by every run of the tests. */
import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Story } from './story.ts'

const file = fileURLToPath(new URL('./stories.json', import.meta.url))

export const readStories = async (): Promise<Record<string, Story>> => JSON.parse(await readFile(file, 'utf8'))

/** Adds these and keeps the others. */
export async function keepStories(more: Record<string, Story>): Promise<void> {
  const all = { ...(await readStories()), ...more }
  const lines = Object.entries(all).map(([name, story]) => `  ${JSON.stringify(name)}: ${JSON.stringify(story)}`)
  await writeFile(file, `{\n${lines.join(',\n')}\n}\n`)
}
