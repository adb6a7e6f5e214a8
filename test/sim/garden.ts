/** Plants one bug in a copy of the project and looks how many seeds it survives. */
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hire } from './crew.ts'
import type { Bug } from './planted.ts'
import { wayOf } from './shrink.ts'
import { type Story, storyOf } from './story.ts'

export interface Found {
  bug: string
  /** Seeds that were played, the one that failed included. */
  seeds: number
  /** What the checker said, or nothing. */
  said: string | undefined
  /** The shortest story in which the bug shows, where it was asked for. */
  story?: Story
}

const rooms = ['machines', 'actors', 'runtime', 'sql', 'channels/web', 'test/sim', 'test/support', 'package.json', 'tsconfig.json']

export async function plant(root: string, { name, edits }: Bug, most: number, shorten = false): Promise<Found> {
  const copy = await mkdtemp(join(tmpdir(), 'nexus-planted-'))
  try {
    for (const room of rooms) await cp(join(root, room), join(copy, room), { recursive: true })
    await symlink(join(root, 'node_modules'), join(copy, 'node_modules'))
    for (const { file, find, replace } of edits) {
      const path = join(copy, file)
      const text = await readFile(path, 'utf8')
      if (text.split(find).length !== 2) throw new Error(`"${name}" cannot be planted: ${file} does not hold its text exactly once`)
      await writeFile(
        path,
        text.replace(find, () => replace),
      )
    }
    const worker = await hire(copy)
    try {
      let played = 0
      while (played < most) {
        const { outcomes } = await worker.ask(
          { order: 'seeds', from: 1 + played, to: 1 + Math.min(most, played + 20), first: true },
          'played',
        )
        played += outcomes.length
        const failed = outcomes.find(({ found }) => found.length > 0)
        if (!failed) continue
        const found: Found = { bug: name, seeds: played, said: failed.found[0] }
        if (!shorten) return found
        const { story } = await worker.ask({ order: 'shrink', story: storyOf(failed.seed), way: wayOf(failed) as string }, 'shrunk')
        return { ...found, story }
      }
      return { bug: name, seeds: played, said: undefined }
    } catch (error) {
      return { bug: name, seeds: 0, said: (error as Error).message.split('\n')[0] }
    } finally {
      worker.end()
    }
  } finally {
    await rm(copy, { recursive: true, force: true })
  }
}
