/** Transactions whose handle dies with them. In postgres.js 3.4.9 it does not: a handle that is used after the end asks
 *  on outside of any transaction, and after a lost connection it ends the whole process, or, worse, asks inside the
 *  transaction that a reconnected connection has begun since (github.com/porsager/postgres, issues 1208 and 1216). */
import type postgres from 'postgres'
import type { Sql, Transaction } from './database.ts'

interface Life {
  over: boolean
  failed: boolean
}

type Work = (tx: Transaction) => unknown

/** Replaces `sql.begin` by one that hands out such handles. */
export function withMortalTransactions(sql: Sql): Sql {
  const begin = sql.begin as (options: string, work: Work) => Promise<unknown>
  const mortalBegin = async (...args: [Work] | [string, Work]) => {
    const [options, work] = args.length === 2 ? args : ['', args[0]]
    const life: Life = { over: false, failed: false }
    try {
      return await begin(
        options,
        (tx) =>
          new Promise((resolve, reject) => {
            // After a failure we let the event loop go round once, and then settle only if the transaction still lives:
            // when its connection is lost, begin() has said so by then, and a rollback sent after it would find no socket.
            const settle = (then: () => void) => (life.failed ? setImmediate(() => life.over || then()) : life.over || then())
            run(work, mortal(tx, life)).then(
              (value) => settle(() => resolve(value)),
              (why) => {
                life.failed = true
                settle(() => reject(why))
              },
            )
          }),
      )
    } finally {
      life.over = true
    }
  }
  return Object.assign(sql, { begin: mortalBegin as Sql['begin'] })
}

/** An array of queries is pipelined, as everywhere in postgres.js. */
async function run(work: Work, tx: Transaction): Promise<unknown> {
  const done = work(tx)
  return Array.isArray(done) ? Promise.all(done) : done
}

function mortal(tx: Transaction, life: Life): Transaction {
  return new Proxy(tx, {
    apply: (target, self, args) => mortalQuery(Reflect.apply(target, self, args), life),
    get(target, name) {
      // Theirs notifies on another connection: before the commit, and never on the embedded database.
      if (name === 'notify') return (channel: string, text: string) => mortalQuery(target`select pg_notify(${channel}, ${text})`, life)
      if (name === 'unsafe' || name === 'file') {
        return (...args: unknown[]) => mortalQuery(Reflect.apply(target[name], target, args), life)
      }
      if (name !== 'savepoint') return Reflect.get(target, name)
      return (...args: [Work] | [string, Work]) => {
        const [title, work] = args.length === 2 ? args : [undefined, args[0]]
        const inside: Work = (savepoint) => work(mortal(savepoint, life))
        return over(life) ?? (title ? target.savepoint(title, inside) : target.savepoint(inside))
      }
    },
  })
}

const over = ({ over }: Life): Promise<never> | undefined => (over ? Promise.reject(new Error(OVER)) : undefined)

const OVER = 'the transaction of this handle is over'

/** Checked when the query is sent and not when it is written: it is sent when somebody first awaits it.
 *  The `handler` that sends it is public in the code of postgres.js and missing in its types. */
function mortalQuery<T>(query: T, life: Life): T {
  const inner = query as { handler?: (query: Sending) => void }
  const send = inner.handler
  if (!send) return query // an identifier or a list of values, not a query
  inner.handler = (one) => {
    if (life.over) return one.reject(new Error(OVER))
    send(one)
    one.catch(() => {
      life.failed = true
    })
  }
  return query
}

type Sending = Pick<postgres.PendingQuery<postgres.Row[]>, 'catch'> & { reject(why: Error): void }
