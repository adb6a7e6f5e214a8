import type { Database } from './database.ts'

export interface Tenant {
  id: string
  name: string
}

/** The tenant that a fresh installation begins with. */
export const demo: Tenant = { id: '00000000-0000-4000-8000-00000000d3e0', name: 'demo' }

export async function keepTenant({ sql }: Pick<Database, 'sql'>, { id, name }: Tenant): Promise<void> {
  // On any conflict: nodes that start together on an empty database meet at the name as well as at the id.
  await sql`insert into tenants (id, name) values (${id}, ${name}) on conflict do nothing`
  const [kept] = await sql`select from tenants where id = ${id}`
  if (!kept) throw new Error(`The name ${name} belongs to another tenant.`)
}

/** By id or by name, as credentials spell it. */
export async function findTenant({ sql }: Pick<Database, 'sql'>, idOrName: string): Promise<Tenant | undefined> {
  const [row] = await sql<Tenant[]>`select id, name from tenants where id::text = ${idOrName} or name = ${idOrName}`
  return row
}

/** The key with this prefix, unless it is revoked or expired. The caller compares the hash. */
export async function findApiKey(
  { sql }: Pick<Database, 'sql'>,
  prefix: string,
): Promise<{ tenant: string; hash: string; role: string; name: string } | undefined> {
  const [row] = await sql<{ tenant: string; hash: string; role: string; name: string }[]>`
    select tenant_id as tenant, hash, role, name from find_api_key(${prefix})
  `
  return row
}
