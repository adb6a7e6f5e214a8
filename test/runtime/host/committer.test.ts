import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createCommitter, Unstorable } from '../../../runtime/host/committer.ts'
import type { Database } from '../../../sql/database.ts'
import type { StepRow } from '../../../sql/steps.ts'
import { handClock, settled } from '../../support/clock.ts'
import { within } from '../../support/within.ts'

const row = (actor: string) => ({ actor }) as StepRow
type Sent = { n: number; actor: string }[]

/** A store that answers a statement as it is told to. */
function store(answer: (rows: Sent) => { n: number; outcome: string }[] | Promise<never>, { slow = false } = {}) {
  const sent: Sent[] = []
  const open: (() => void)[] = []
  const sql = Object.assign(
    async (_: TemplateStringsArray, rows: Sent) => {
      sent.push(rows)
      if (slow) await new Promise<void>((resolve) => open.push(resolve))
      return answer(rows)
    },
    { json: (value: unknown) => value },
  )
  return { db: { sql } as unknown as Database, sent, release: () => open.splice(0).forEach((go) => go()) }
}

const done = (rows: Sent) => rows.map(({ n }) => ({ n, outcome: 'done' }))
const refusing = (code: string, bad: string) => (rows: Sent) =>
  rows.some(({ actor }) => actor === bad) ? Promise.reject(Object.assign(new Error('no'), { code })) : done(rows)

test('steps of one moment travel as one statement, and each hears its own fate', async () => {
  const { db, sent } = store((rows) => rows.filter(({ actor }) => actor !== 'b').map(({ n }) => ({ n, outcome: 'done' })))
  const { commit } = createCommitter(db, { ownership: { me: { node: 'n1', life: 'l1' } } })
  assert.equal(await within(1_000, Promise.all(['a', 'b', 'c'].map((actor) => commit(row(actor))))), ['done', 'fenced', 'done'])
  assert.is(sent.length, 1)
})

test('while two batches are on their way the next one gathers', async () => {
  const { db, sent, release } = store(done, { slow: true })
  const { commit } = createCommitter(db, { ownership: { me: { node: 'n1', life: 'l1' } }, lanes: 2 })
  const all: Promise<unknown>[] = []
  for (let n = 0; n < 10; n++) {
    all.push(commit(row(`a${n}`)))
    await settled(2)
  }
  assert.equal(
    sent.map((rows) => rows.length),
    [1, 1],
  )
  release()
  await settled()
  assert.equal(
    sent.map((rows) => rows.length),
    [1, 1, 8],
  )
  release()
  await within(1_000, Promise.all(all))
})

test('no statement carries more steps than it may', async () => {
  const { db, sent } = store(done)
  const { commit } = createCommitter(db, { ownership: { me: { node: 'n1', life: 'l1' } }, most: 4 })
  await within(1_000, Promise.all(Array.from({ length: 10 }, (_, n) => commit(row(`a${n}`)))))
  assert.equal(
    sent.map((rows) => rows.length),
    [4, 4, 2],
  )
})

test('a conflict breaks a batch, which is sent again one by one', async () => {
  let first = true
  const { db, sent } = store((rows) => {
    if (!first) return done(rows)
    first = false
    return Promise.reject(Object.assign(new Error('twice'), { code: '23505' }))
  })
  const { commit } = createCommitter(db, { ownership: { me: { node: 'n1', life: 'l1' } } })
  assert.equal(await within(1_000, Promise.all([commit(row('a')), commit(row('b'))])), ['done', 'done'])
  assert.equal(
    sent.map((rows) => rows.length),
    [2, 1, 1],
  )
})

for (const code of ['22P05', '22003', '23505', '54000']) {
  test(`a step that the store cannot hold (${code}) is refused alone`, async () => {
    const { db, sent } = store(refusing(code, 'bad'))
    const { commit } = createCommitter(db, { ownership: { me: { node: 'n1', life: 'l1' } } })
    const [a, bad, c] = await within(1_000, Promise.allSettled([commit(row('a')), commit(row('bad')), commit(row('c'))]))
    assert.equal([a?.status, c?.status], ['fulfilled', 'fulfilled'])
    assert.instance((bad as PromiseRejectedResult).reason, Unstorable)
    assert.ok(sent.length <= 5, `${sent.length} statements`)
  })
}

test('many steps are shared out among the lanes, so that none stands idle', async () => {
  const { db, sent, release } = store(done, { slow: true })
  const { commit } = createCommitter(db, { ownership: { me: { node: 'n1', life: 'l1' } }, lanes: 2 })
  const all = Promise.all(Array.from({ length: 60 }, (_, n) => commit(row(`a${n}`))))
  await settled()
  assert.equal(
    sent.map((rows) => rows.length),
    [30, 30],
  )
  release()
  await within(1_000, all)
})

test('a step whose row somebody else holds is tried again alone, and keeps nobody waiting', async () => {
  let isHeld = true
  const clock = handClock()
  const { db, sent } = store((rows) =>
    isHeld && rows.some(({ actor }) => actor === 'held') ? Promise.reject(Object.assign(new Error('no'), { code: '55P03' })) : done(rows),
  )
  const { commit } = createCommitter(db, { ownership: { me: { node: 'n1', life: 'l1' } }, clock, lanes: 1 })
  let told: unknown
  const held = commit(row('held')).then((outcome) => {
    told = outcome
  })
  assert.equal(await within(1_000, Promise.all([commit(row('a')), commit(row('b'))])), ['done', 'done'])
  assert.is(await within(1_000, commit(row('c'))), 'done')
  assert.is(told, undefined)
  const tries = sent.length
  isHeld = false
  await clock.pass(100)
  await within(1_000, held)
  assert.is(told, 'done')
  assert.is(sent.length, tries + 1)
})

test('a step that is kept out for too long is given up', async () => {
  const clock = handClock()
  const { db } = store(refusing('55P03', 'held'))
  const { commit } = createCommitter(db, { ownership: { me: { node: 'n1', life: 'l1' } }, clock })
  const held = commit(row('held')).catch((error) => error)
  await settled()
  await clock.pass(6_000)
  const error = await within(1_000, held)
  assert.is(error.code, '55P03')
  assert.not.instance(error, Unstorable)
})

test('a store that does not answer leaves the fate of all its steps unknown', async () => {
  const { db, sent } = store(() => Promise.reject(Object.assign(new Error('gone'), { code: 'CONNECTION_CLOSED' })))
  const { commit } = createCommitter(db, { ownership: { me: { node: 'n1', life: 'l1' } } })
  const told = await within(1_000, Promise.allSettled([commit(row('a')), commit(row('b'))]))
  assert.ok(told.every((one) => one.status === 'rejected' && !(one.reason instanceof Unstorable)))
  assert.is(sent.length, 1)
})

test('a life that is over commits nothing, also what has waited for a lane', async () => {
  const { db, sent, release } = store(done, { slow: true })
  const ownership = { me: { node: 'n1', life: 'l1' } }
  const { commit } = createCommitter(db, { ownership, lanes: 1 })
  const first = commit(row('a'))
  await settled(2)
  const second = commit(row('b'))
  await settled(2)
  ownership.me = { node: 'n1', life: 'l2' }
  release()
  assert.is(await within(1_000, first), 'done')
  assert.is(await within(1_000, second), 'ousted')
  assert.is(sent.length, 1)
})

test.run()
