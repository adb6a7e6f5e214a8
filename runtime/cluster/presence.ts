/** How the neighbours know that this node lives. */
import { type Database, openDatabase } from '../../sql/database.ts'
import { enterNode } from '../../sql/nodes.ts'
import type { Presence } from '../host/patrol.ts'
import type { Log } from '../watch/log.ts'

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
  const hold = () => enterNode(db, lock ?? db, node)
  // A neighbour that looks whether we live holds the lock for a moment.
  for (let tries = 1; !(await hold()); tries++) {
    if (tries === 3) {
      await lock?.close()
      throw new Error(`A node named ${node} is already running on this database; set another NODE_NAME.`)
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
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
