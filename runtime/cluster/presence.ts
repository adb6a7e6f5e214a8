/** How the neighbours know that this node lives. */
import { type Database, openDatabase } from '../../sql/database.ts'
import { enterNode } from '../../sql/nodes.ts'
import type { Presence } from '../host/patrol.ts'
import type { Log } from '../watch/log.ts'

/** Looks at a lock that seems taken, and milliseconds between them. */
const TRIES = 3
const PAUSE = 50

interface Needs {
  db: Database
  /** The server; the embedded store has no neighbours. */
  url: string | undefined
  node: string
  log: Log
}

/** Takes a connection of its own, whose lock the kernel lets go with the process. Throws a sentence when the name is taken. */
export async function openPresence({ db, url, node, log }: Needs): Promise<{ presence?: Presence; close(): Promise<void> }> {
  const lock = url ? await openDatabase({ url, max: 1 }) : undefined
  /** A neighbour that looks whether we live holds the lock for a moment: only who finds it taken again and again has lost it. */
  async function hold() {
    for (let tries = 1; !(await enterNode(db, lock ?? db, node)); tries++) {
      if (tries === TRIES) return false
      await new Promise((resolve) => setTimeout(resolve, PAUSE))
    }
    return true
  }
  try {
    if (!(await hold())) throw new Error(`A node named ${node} is already running on this database; set another NODE_NAME.`)
  } catch (error) {
    await lock?.close()
    throw error
  }
  return {
    close: async () => lock?.close(),
    ...(lock && {
      presence: {
        hold,
        lost() {
          log.error({ node }, 'another process has taken the name of this node, and with it its work: this one ends')
          process.exit(1)
        },
      },
    }),
  }
}
