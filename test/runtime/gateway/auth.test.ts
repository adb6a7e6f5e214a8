/** Who gets in, and as whom. */
import { UnsecuredJWT } from 'jose'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createAuthenticator, credentialIn, hashOf, mayRead } from '../../../runtime/gateway/auth.ts'
import { demo, keepTenant } from '../../../sql/tenants.ts'
import { jwtSecret, token } from '../../support/server.ts'
import { freshStore } from '../../support/store.ts'

const store = await freshStore()
const { db } = store
await keepTenant(db, demo)
const acme = { id: crypto.randomUUID(), name: 'acme' }
await keepTenant(db, acme)
const apiKey = 'the key of the operator'
const strict = createAuthenticator({ db, environment: 'production', apiKey, jwtSecret })
const open = createAuthenticator({ db, environment: 'development', apiKey: undefined, jwtSecret })

test.after(() => store.close())

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'let in',
    (error: { code: string }) => error.code,
  )

test('without a credential development is open and everything else is closed', async () => {
  assert.equal(await open(undefined), { tenant: demo, who: 'owner', role: 'owner' })
  assert.is(await codeOf(strict(undefined)), 'credential.missing')
  const keyed = createAuthenticator({ db, environment: 'development', apiKey, jwtSecret })
  assert.is(await codeOf(keyed(undefined)), 'credential.missing')
  const staging = createAuthenticator({ db, environment: 'staging', apiKey: undefined, jwtSecret })
  assert.is(await codeOf(staging(undefined)), 'credential.missing')
})

test('the operator’s key acts as the owner, and nothing like it does', async () => {
  assert.equal(await strict(apiKey), { tenant: demo, who: 'owner', role: 'owner' })
  for (const wrong of [apiKey.slice(1), `${apiKey} `, apiKey.toUpperCase(), 'x'])
    assert.is(await codeOf(strict(wrong)), 'credential.invalid')
})

test('a token says who, for which tenant, in which role and until when', async () => {
  const said = async (claims: Record<string, unknown>) => {
    const { until, ...who } = await strict(await token(claims))
    assert.ok((until ?? 0) > Date.now())
    return who
  }
  assert.equal(await said({ sub: 'ann', role: 'member', tenant: 'acme' }), { tenant: acme, who: 'user:ann', role: 'member' })
  assert.equal(await said({ sub: 'ann', role: 'admin', tenant: acme.id }), { tenant: acme, who: 'user:ann', role: 'admin' })
  assert.equal(await said({ sub: 'vi' }), { tenant: demo, who: 'user:vi', role: 'visitor' })
})

test('a token that is expired, forged, unsigned or says nonsense lets nobody in, not even where the door is open', async () => {
  const now = Math.floor(Date.now() / 1000)
  const wrong: Record<string, string> = {
    expired: await token({ sub: 'ann' }, { exp: now - 1 }),
    'of another secret': await token({ sub: 'ann' }, { secret: 'another secret of more than thirty-two characters' }),
    unsigned: new UnsecuredJWT({ sub: 'ann', role: 'owner' }).setExpirationTime('5m').encode(),
    'of a tenant that is none': await token({ sub: 'ann', tenant: 'nobody' }),
    'of a role that is none': await token({ sub: 'ann', role: 'god' }),
    'without a subject': await token({ role: 'owner' }),
    'with a changed body': (await token({ sub: 'ann', role: 'visitor' })).replace(
      /\.[^.]+\./,
      `.${Buffer.from(JSON.stringify({ sub: 'ann', role: 'owner', exp: now + 300 })).toString('base64url')}.`,
    ),
    junk: 'a.b.c',
  }
  for (const [what, credential] of Object.entries(wrong))
    for (const door of [strict, open]) assert.is(await codeOf(door(credential)), 'credential.invalid', what)
})

test('a key from the table acts in its tenant and role until it is revoked or expires', async () => {
  const key = `nx_${crypto.randomUUID()}`
  await db.sql`insert into api_keys (tenant_id, prefix, hash, name, role) values (${acme.id}, ${key.slice(0, 12)}, ${hashOf(key)}, 'shop', 'admin')`
  assert.equal(await strict(key), { tenant: acme, who: `key:${key.slice(0, 12)}`, role: 'admin' })
  assert.is(await codeOf(strict(`${key}x`)), 'credential.invalid')
  await db.sql`update api_keys set expires_at = now() - interval '1 second'`
  assert.is(await codeOf(strict(key)), 'credential.invalid')
  await db.sql`update api_keys set expires_at = null, revoked_at = now()`
  assert.is(await codeOf(strict(key)), 'credential.invalid')
})

test('a credential is found in either header', () => {
  assert.is(credentialIn({ 'x-api-key': 'k' }), 'k')
  assert.is(credentialIn({ authorization: 'Bearer t' }), 't')
  assert.is(credentialIn({ authorization: 'bearer t' }), 't')
  for (const headers of [{}, { authorization: 'Basic t' }, { authorization: 'Bearer' }, { 'x-api-key': '' }])
    assert.is(credentialIn(headers), undefined)
})

test('owners and admins read all of their tenant, the others what is theirs', () => {
  const as = (role: 'owner' | 'admin' | 'member' | 'visitor') => mayRead({ tenant: demo, who: 'user:ann', role }, 'user:bob')
  assert.equal([as('owner'), as('admin'), as('member'), as('visitor')], [true, true, false, false])
  assert.ok(mayRead({ tenant: demo, who: 'user:ann', role: 'visitor' }, 'user:ann'))
})

test.run()
