/** Stored trees meet newer machines. Migrations run when a tree is loaded; start refuses a database with a version that has no path. */
import { type KindName, type Kind, kinds } from '../../machines/index.ts'
import type { Tree } from './tree.ts'

/** The tree as the current machine knows it. Throws for a kind or version without a path. */
export function migrated(kind: string, version: number, tree: Tree): Tree {
  const { version: current, migrations } = kindNamed(kind)
  if (version > current) throw new Error(`a ${kind} of machine version ${version} is newer than this program, which knows ${current}`)
  let now = tree
  for (let at = version; at < current; at++) {
    const migrate = migrations[at]
    if (!migrate) throw new Error(`no migration leads from machine version ${at} of ${kind}`)
    now = migrate(now) as Tree
  }
  return now
}

/** One sentence for every stored version that cannot be reached from here. */
export function unreachable(stored: readonly { kind: string; version: number; actors: number }[]): string[] {
  return stored.flatMap(({ kind, version, actors }) => {
    const known = (kinds as Record<string, Kind>)[kind]
    if (!known) return [`${actors} actors are of the kind "${kind}", which this program does not know`]
    if (version > known.version)
      return [`${actors} actors of "${kind}" have machine version ${version}; this program knows ${known.version}`]
    for (let at = version; at < known.version; at++) {
      if (!known.migrations[at]) return [`${actors} actors of "${kind}" have machine version ${version}, and no migration leads from ${at}`]
    }
    return []
  })
}

function kindNamed(name: string): Kind {
  const kind = (kinds as Record<KindName, Kind>)[name as KindName]
  if (!kind) throw new Error(`this program does not know the kind "${name}"`)
  return kind
}
