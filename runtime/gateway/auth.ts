/** Who is asking. The tenant follows from the credential, never from what the request says. */
import { createHash, timingSafeEqual } from 'node:crypto'
import { jwtVerify } from 'jose'
import { Refusal } from '../../machines/refusal.ts'
import type { Database } from '../../sql/database.ts'
import { type Tenant, demo, findApiKey, findTenant } from '../../sql/tenants.ts'
import { promptly } from './promptly.ts'

export const roles = ['owner', 'admin', 'member', 'visitor'] as const
export type Role = (typeof roles)[number]

export interface Principal {
  tenant: Tenant
  /** Stable for one person or key: owns the conversations that it begins. */
  who: string
  role: Role
  /** Until when the credential is good, in milliseconds since 1970. */
  until?: number
}

/** Visitors and members see their own conversations; the others all of their tenant. */
export const seesAll = ({ role }: Principal) => role === 'owner' || role === 'admin'
export const mayRead = (principal: Principal, owner: string) => seesAll(principal) || principal.who === owner

export interface Authenticator {
  /** Throws `credential.missing`, `credential.invalid` or `store.unavailable`. */
  (credential: string | undefined): Promise<Principal>
  /** Requests without a credential act as the owner of the tenant demo. */
  readonly isOpen: boolean
}

interface Needs {
  db: Database
  environment: string
  apiKey: string | undefined
  jwtSecret: string | undefined
}

const PREFIX = 12

export function createAuthenticator({ db, environment, apiKey, jwtSecret }: Needs): Authenticator {
  const isOpen = environment === 'development' && !apiKey
  const key = jwtSecret ? new TextEncoder().encode(jwtSecret) : undefined
  const owner: Principal = { tenant: demo, who: 'owner', role: 'owner' }

  const authenticate = async (credential: string | undefined): Promise<Principal> => {
    if (!credential) {
      if (isOpen) return owner
      throw new Refusal('credential.missing')
    }
    if (apiKey && isSame(credential, apiKey)) return owner
    return await promptly(credential.split('.').length === 3 ? byToken(credential) : byKey(credential))
  }

  async function byToken(token: string): Promise<Principal> {
    if (!key) throw new Refusal('credential.invalid')
    const { payload } = await jwtVerify(token, key, { algorithms: ['HS256'], requiredClaims: ['sub', 'exp'] }).catch(() => {
      throw new Refusal('credential.invalid')
    })
    const tenant = await findTenant(db, typeof payload.tenant === 'string' ? payload.tenant : demo.id)
    const role = roles.find((name) => name === (payload.role ?? 'visitor'))
    if (!tenant || !role) throw new Refusal('credential.invalid')
    return { tenant, who: `user:${payload.sub}`, role, until: (payload.exp as number) * 1000 }
  }

  async function byKey(credential: string): Promise<Principal> {
    const found = await findApiKey(db, credential.slice(0, PREFIX))
    if (!found || !isSame(found.hash, hashOf(credential))) throw new Refusal('credential.invalid')
    const tenant = await findTenant(db, found.tenant)
    if (!tenant) throw new Refusal('credential.invalid')
    return { tenant, who: `key:${credential.slice(0, PREFIX)}`, role: roles.find((name) => name === found.role) ?? 'member' }
  }

  return Object.assign(authenticate, { isOpen })
}

/** A key of 64 random characters needs no slow hash: there is nothing to guess. */
export const hashOf = (credential: string) => createHash('sha256').update(credential).digest('hex')

/** Equal, in a time that does not tell how much of it was. */
const isSame = (a: string, b: string) => timingSafeEqual(createHash('sha256').update(a).digest(), createHash('sha256').update(b).digest())

/** `X-API-Key`, or `Authorization: Bearer …`. */
export function credentialIn(headers: Record<string, string | string[] | undefined>): string | undefined {
  const key = headers['x-api-key']
  if (typeof key === 'string' && key) return key
  const [scheme, token] = (headers.authorization as string | undefined)?.split(' ') ?? []
  return scheme?.toLowerCase() === 'bearer' && token ? token : undefined
}
