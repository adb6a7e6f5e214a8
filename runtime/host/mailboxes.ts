/** One mailbox an actor, one job at a time. Those at rest stay at hand up to a bound; the oldest go first. */
export interface Limits {
  /** Actors kept at hand. */
  residents: number
  /** Events that may wait for one actor, and for all actors of a tenant. */
  perActor: number
  perTenant: number
}

/** One thing to do for an actor. Settles its own promise and never throws. */
type Job = () => Promise<void>

export interface Mailbox {
  readonly tenant: string
  readonly actor: string
  readonly jobs: Job[]
  busy: boolean
}

interface Needs<M extends Mailbox> {
  limits: Limits
  make(mailbox: Mailbox): M
  /** Whether everything that it knows is in the store. */
  mayGo(mailbox: M): boolean
  /** Hears of every mailbox that is through with its jobs. */
  rested(mailbox: M): void
}

export function createMailboxes<M extends Mailbox>({ limits, make, mayGo, rested }: Needs<M>) {
  const all = new Map<string, M>()
  const perTenant = new Map<string, number>()
  let waiting = 0
  const restListeners: (() => void)[] = []
  const keyOf = (tenant: string, actor: string) => `${tenant}/${actor}`

  /** Lets the oldest go that are at rest, until there is room for so many more. */
  function evict(room: number) {
    for (const [key, mailbox] of all) {
      if (all.size + room <= limits.residents) return
      if (!mailbox.busy && mailbox.jobs.length === 0 && mayGo(mailbox)) all.delete(key)
    }
  }

  function count(tenant: string, by: number) {
    waiting += by
    const now = (perTenant.get(tenant) ?? 0) + by
    if (now > 0) perTenant.set(tenant, now)
    else perTenant.delete(tenant)
    if (waiting === 0) for (const hear of restListeners.splice(0)) hear()
  }

  async function work(mailbox: M) {
    mailbox.busy = true
    for (let job = mailbox.jobs[0]; job; job = mailbox.jobs[0]) {
      await job()
      mailbox.jobs.shift()
      count(mailbox.tenant, -1)
    }
    mailbox.busy = false
    rested(mailbox)
    // A crowd that was busy all at once is let go once it rests.
    evict(0)
  }

  return {
    /** The actor's mailbox, made where there is none; it is the youngest from now on. */
    of(tenant: string, actor: string): M {
      const key = keyOf(tenant, actor)
      const found = all.get(key)
      if (found) all.delete(key)
      // Before the new one stands among them: one that is let go while it is asked for would leave its actor with two mailboxes.
      else evict(1)
      const mailbox = found ?? make({ tenant, actor, jobs: [], busy: false })
      all.set(key, mailbox)
      return mailbox
    },
    all: () => all.values(),
    find: (tenant: string, actor: string) => all.get(keyOf(tenant, actor)),
    isFull: ({ tenant, jobs }: M) => jobs.length >= limits.perActor || (perTenant.get(tenant) ?? 0) >= limits.perTenant,
    enqueue(mailbox: M, job: Job) {
      mailbox.jobs.push(job)
      count(mailbox.tenant, 1)
      if (!mailbox.busy) void work(mailbox)
    },
    /** Does this where nothing else is being done, and counts for nobody's limit; otherwise it is left out. */
    async between(mailbox: M, job: Job) {
      if (mailbox.busy) return
      mailbox.busy = true
      await job()
      await work(mailbox)
    },
    counts: () => ({ residents: all.size, waiting }),
    /** Resolves when nothing waits in any mailbox. */
    idle: (): Promise<void> => (waiting === 0 ? Promise.resolve() : new Promise((resolve) => restListeners.push(resolve))),
  }
}
