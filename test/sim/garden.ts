/** Plants one bug in a copy of the project and looks how many seeds it survives, and whether its stored story shows it. */
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
  /** What it said of the stored story. */
  ofStory: string | undefined
  /** The shortest story in which the bug shows, where it was asked for. */
  story?: Story
}

const rooms = ['machines', 'actors', 'runtime', 'sql', 'channels/web', 'test/sim', 'test/support', 'package.json', 'tsconfig.json']

interface Garden {
  /** Seeds that are played at most. */
  most: number
  /** The story that was kept when this bug was found. */
  kept?: Story | undefined
  shorten?: boolean
}

/** Throws when the bug cannot be planted, or when the copy breaks down instead of playing. */
export async function plant(root: string, { name, edits, kind = 'single' }: Bug, { most, kept, shorten }: Garden): Promise<Found> {
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
      const ofStory = kept && (await worker.ask({ order: 'tell', story: kept }, 'told')).outcome.found[0]
      let played = 0
      while (played < most) {
        const { outcomes } = await worker.ask(
          { order: 'seeds', from: 1 + played, to: 1 + Math.min(most, played + 20), first: true, kind },
          'played',
        )
        played += outcomes.length
        const failed = outcomes.find(({ found }) => found.length > 0)
        if (!failed) continue
        const found: Found = { bug: name, seeds: played, said: failed.found[0], ofStory }
        if (!shorten) return found
        const { story } = await worker.ask({ order: 'shrink', story: storyOf(failed.seed, kind), way: wayOf(failed) as string }, 'shrunk')
        return { ...found, story }
      }
      return { bug: name, seeds: played, said: undefined, ofStory }
    } finally {
      worker.end()
    }
  } finally {
    await rm(copy, { recursive: true, force: true })
  }
}
