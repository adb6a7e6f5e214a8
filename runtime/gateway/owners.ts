/** Whose conversations are, mostly answered without the store: that never changes. And whose they will be, while their first word is on its way. */
import { Refusal } from '../../machines/refusal.ts'
import { findConversation } from '../../sql/conversations.ts'
import type { Database } from '../../sql/database.ts'
import { type Principal, mayRead } from './auth.ts'

export interface Owners {
  /** Whose it is, or undefined when nobody has begun it; refuses with `conversation.unknown` when it is hidden from this principal. */
  of(principal: Principal, conversation: string): Promise<string | undefined>
  /** Refuses likewise, by what is known here and now: nobody can slip in between this and what is done in the same stretch. */
  check(principal: Principal, conversation: string): void
  /**
   * The principal is about to say something there. Where nobody has begun it, it is held for `owner` against all others until
   * `over` is called, with whether it exists now; refuses likewise.
   */
  claim(principal: Principal, conversation: string, owner: string): Promise<Claim>
}

export interface Claim {
  /** Whose it will be; undefined: it exists already. */
  owner: string | undefined
  over(exists: boolean): void
}

interface Beginning {
  owner: string
  claims: number
}

/** Owners at hand. */
const MOST = 10_000

export function createOwners(db: Database): Owners {
  const known = new Map<string, string>()
  const beginnings = new Map<string, Beginning>()
  /** Questions to the store that are under way: who asks meanwhile waits for the same answer, and so does not overtake. */
  const asking = new Map<string, Promise<string | undefined>>()
  const keyOf = ({ tenant }: Principal, conversation: string) => `${tenant.id}/${conversation}`

  function keep(key: string, owner: string) {
    if (known.size >= MOST) known.delete(known.keys().next().value as string)
    known.set(key, owner)
  }

  function ask(tenant: string, key: string, conversation: string): Promise<string | undefined> {
    const answer = lookUp(tenant, key, conversation).finally(() => asking.delete(key))
    asking.set(key, answer)
    return answer
  }

  async function lookUp(tenant: string, key: string, conversation: string): Promise<string | undefined> {
    const found = await findConversation(db, tenant, conversation)
    if (found === 'taken') throw new Refusal('conversation.unknown')
    if (found) keep(key, found.owner)
    return found?.owner
  }

  function check(principal: Principal, conversation: string) {
    const key = keyOf(principal, conversation)
    const owner = known.get(key) ?? beginnings.get(key)?.owner
    if (owner !== undefined && !mayRead(principal, owner)) throw new Refusal('conversation.unknown')
  }

  async function of(principal: Principal, conversation: string): Promise<string | undefined> {
    const key = keyOf(principal, conversation)
    const owner = known.get(key) ?? (await (asking.get(key) ?? ask(principal.tenant.id, key, conversation)))
    if (owner !== undefined && !mayRead(principal, owner)) throw new Refusal('conversation.unknown')
    check(principal, conversation)
    return owner
  }

  return {
    of,
    check,
    async claim(principal, conversation, owner) {
      const key = keyOf(principal, conversation)
      await of(principal, conversation)
      // Asked anew: somebody may have begun it while we waited for the store.
      check(principal, conversation)
      if (known.has(key)) return { owner: undefined, over() {} }
      const beginning = beginnings.get(key) ?? { owner, claims: 0 }
      beginnings.set(key, beginning)
      beginning.claims++
      return {
        owner: beginning.owner,
        over(exists) {
          if (exists) keep(key, beginning.owner)
          if (--beginning.claims === 0) beginnings.delete(key)
        },
      }
    },
  }
}
