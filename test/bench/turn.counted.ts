/** A store that counts what is asked of it. */
import type { Database, Sql, Transaction } from '../../sql/database.ts'

export interface Asked {
  statements: number
  /** Waits for an answer of the store: a transaction has one for its begin and one for its end. */
  roundTrips: number
  /** Statements that commit steps, and the steps in them. */
  commits: number
  steps: number
}

export function counted(db: Database): { db: Database; asked(): Asked } {
  const asked: Asked = { statements: 0, roundTrips: 0, commits: 0, steps: 0 }
  const begin = db.sql.begin as (...given: unknown[]) => Promise<unknown>
  const sql = new Proxy(db.sql, {
    apply(target, self, given: unknown[]) {
      const text = Array.isArray(given[0]) ? given[0].join('') : undefined
      if (text !== undefined) {
        asked.statements++
        asked.roundTrips++
      }
      if (text?.includes('commit_steps')) {
        asked.commits++
        asked.steps += (given[1] as { value: unknown[] }).value.length
      }
      return Reflect.apply(target as never, self, given)
    },
    get(target, name) {
      if (name !== 'begin') return Reflect.get(target, name)
      return (work: (tx: Transaction) => unknown) => {
        asked.statements += 2
        asked.roundTrips += 3 // begin; the door and what is asked, together; commit
        return begin((tx: Transaction) => work(inside(tx)))
      }
    },
  })
  const inside = (tx: Transaction) =>
    new Proxy(tx, {
      apply(target, self, given: unknown[]) {
        if (Array.isArray(given[0])) asked.statements++
        return Reflect.apply(target as never, self, given)
      },
    })
  return { db: { ...db, sql: sql as Sql }, asked: () => ({ ...asked }) }
}
