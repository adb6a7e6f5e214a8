/** The barest correct durable step: one fenced statement, one step, one transaction, sent by PostgreSQL's own load generator in C. */
import { execFile } from 'node:child_process'
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

export interface BareRun {
  url: string
  tenant: string
  /** Client n moves the actor with this name and its number, from version 1 on. */
  actor: string
  clients: number
  seconds: number
  tree: object
  envelope: object
  input: object
  payload: object
}

/** Steps a second that pgbench commits. */
export async function pgbench({ url, clients, seconds, ...what }: BareRun): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'nexus-pgbench-'))
  try {
    const script = join(folder, 'step.sql')
    await writeFile(script, statement(what))
    const settings = ['-n', '-M', 'prepared', '-c', clients, '-j', 2, '-T', seconds, '-D', 'v=0', '-f', script, url].map(String)
    const { stdout } = await promisify(execFile)(await program(), settings, {
      // The plans that ours is held to as well: by key, whatever the statistics say.
      env: { ...process.env, PGOPTIONS: '-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off' },
    })
    const figure = /tps = ([\d.]+)/.exec(stdout)?.[1]
    if (!figure) throw new Error(`pgbench told no figure: ${stdout}`)
    return Number(figure)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const PLACES = [17, 16, 15].map((version) => `/usr/lib/postgresql/${version}/bin/pgbench`)

async function program(): Promise<string> {
  for (const path of [process.env.PGBENCH, ...PLACES]) {
    if (
      path &&
      (await access(path).then(
        () => true,
        () => false,
      ))
    )
      return path
  }
  throw new Error(
    `pgbench is not there, and the bare figure needs it: install postgresql (Debian: ${PLACES.at(-1)}), or set PGBENCH to its path.`,
  )
}

/** The rows that a step in the middle of a turn writes, as `commit_steps` does. */
const statement = ({ tenant, actor, tree, envelope, input, payload }: Omit<BareRun, 'url' | 'clients' | 'seconds'>) => `
\\set v :v + 1
with gate as (
  update actors set version = :v + 1, epoch = 0, machine_version = 1, tree = ${json(tree)}, updated_at = now()
  where tenant_id = '${tenant}' and id = '${actor}' || :client_id and version = :v and epoch <= 0
  returning id
), kept as (
  insert into inbox (tenant_id, actor, dedup_key, applied_version) select '${tenant}', id, 'message:' || :v, :v + 1 from gate
), written as (
  insert into journal (tenant_id, actor, version, envelope, machine_version, now, node)
  select '${tenant}', id, :v + 1, ${json(envelope)}, 1, 1795220009592, 'bare' from gate
), begun as (
  insert into effects (tenant_id, actor, id, addr, src, input, claim_node)
  select '${tenant}', id, :v + 1 || ':1', 'root/turn/answer', 'answer', ${json(input)}, 'bare' from gate
), ended as (
  delete from effects e using gate where e.tenant_id = '${tenant}' and e.actor = gate.id and e.id = :v || ':1'
), armed as (
  insert into timers (tenant_id, actor, id, shard, fire_at) select '${tenant}', id, :v + 1 || ':0', 7, now() + interval '60 s' from gate
), disarmed as (
  delete from timers t using gate where t.tenant_id = '${tenant}' and t.actor = gate.id and t.id = :v || ':0'
), told as (
  insert into events (tenant_id, conversation, seq, name, payload, at)
  select '${tenant}', id, :v + 1, 'turn.classified', ${json(payload)}, now() from gate
), touched as (
  update conversations c set seq = :v + 1, last_at = now() from gate where c.tenant_id = '${tenant}' and c.id = gate.id
)
select id from gate;
`

/** Variables of pgbench begin with a colon; JSON has one after every name, and a space keeps them apart. */
const json = (value: object) => `'${JSON.stringify(value, null, 1).replaceAll(/\n */g, ' ').replaceAll("'", "''")}'::jsonb`
