import type { Database } from './database.ts'

export interface StoredActor {
  kind: string
  version: number
  epoch: number
  machineVersion: number
  tree: unknown
}

export async function loadActor({ sql }: Database, tenant: string, id: string): Promise<StoredActor | undefined> {
  const [row] = await sql<StoredActor[]>`
    select kind, version, epoch, machine_version as "machineVersion", tree from load_actor(${tenant}, ${id})
  `
  return row
}

/** Which versions of which machines are stored, and how many of each. */
export const machineVersions = ({ sql }: Pick<Database, 'sql'>) =>
  sql<{ kind: string; version: number; actors: number }[]>`
    select kind, machine_version as version, actors from machine_versions()
  `

export async function workLeft({ sql }: Database) {
  const [row] = await sql<[{ effects: number; timers: number; inbox: number; deadLetters: number }]>`
    select effects, timers, inbox, dead_letters as "deadLetters" from work_left()
  `
  return row
}
