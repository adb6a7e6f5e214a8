import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { comparisonOf, readReport } from './compare.ts'
import { liveLine } from './live.ts'
import { Misuse } from './misuse.ts'
import { reportOf } from './report.ts'
import { sampleReport } from './samples.ts'
import { planOf } from './load.ts'
import { barsOf, tableOf } from './table.ts'

const before = sampleReport({ answered: 100, gaps: 0 }, { firstToken: [100] })
const after = sampleReport({ answered: 100, gaps: 3 }, { firstToken: [150] })

test('two reports stand side by side, with how much they differ', () => {
  const text = comparisonOf(before, after)
  assert.match(text, /first token p99 +100 +150 +\+50 %/)
  assert.match(text, /answered +100 +100 +0 %/)
  assert.match(text, /gaps +0 +3 +\+3/)
  assert.not.match(text, /duplicates/)
  assert.not.match(text, /Not the same load/)
})

test('reports of different loads say so', () => {
  const other = { ...after, settings: { ...after.settings, sockets: 7 }, machine: { ...after.machine, cores: 64 } }
  assert.match(comparisonOf(before, other), /differ in sockets, cores\./)
})

test('what is no report is refused with a sentence', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'nexus-load-'))
  try {
    const file = join(folder, 'report.json')
    const why = () => readReport(file).then(String, (error: Error) => error)
    assert.match(String(await why()), /cannot be read/)
    for (const text of ['no JSON', '{}', '[]']) {
      await writeFile(file, text)
      const error = await why()
      assert.ok(error instanceof Misuse && /is no report that --json has written/.test(error.message), String(error))
    }
    await writeFile(file, JSON.stringify(before))
    assert.equal(await readReport(file), JSON.parse(JSON.stringify(before)))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

test('the table tells every figure, the faults in words, and that a run was cut short', () => {
  const text = tableOf({
    ...sampleReport({ sent: 3, lost: 1, refused: 2 }, { firstToken: [90, 100, 110], endToEnd: [4_321] }, { 'turn.busy': 2 }),
    complaints: [{ fault: 'lost', conversation: 'c-1', what: 'm-1 was accepted as 1 and never came to an end' }],
    interrupted: true,
  })
  assert.match(text, /first token +3 +(99|100|101)/)
  assert.match(text, /end to end +1 +4,321 +4,321/)
  assert.match(text, /sent 3 · .*refused 2 \(turn\.busy 2\)/)
  assert.match(text, /lost messages: m-1 was accepted as 1 and never came to an end \(c-1\)/)
  assert.match(text, /Interrupted/)
  assert.not.match(tableOf(before), /Interrupted|We ourselves|undefined|NaN/)
  assert.match(tableOf(sampleReport({}, { late: [60] })), /We ourselves were late/)
})

test('a bar is as long as its share', () => {
  const { measures } = sampleReport({}, { firstToken: [11, 12, 13, 14, 30, 30] })
  const lines = barsOf(measures.firstToken).split('\n')
  assert.equal(
    lines.map((line) => [/(\d+) – (\d+) ms +(\d+)/.exec(line)?.slice(1).join(' '), (line.match(/█/g) ?? []).length]),
    [
      ['10 20 4', 40],
      ['20 50 2', 20],
    ],
  )
})

test('the live line says how far it is, and whether anything went wrong', () => {
  const part = sampleReport({ sent: 30, answered: 20, gaps: 1, lost: 1 }, { firstToken: [123] })
  const line = liveLine({ phase: 'speaking', seconds: 15, of: 60, part, joined: 500, waiting: 10 })
  assert.match(
    line,
    /^speaking +█{5}░{15} 15\/60 s {2}500 joined {2}sent 30 {2}answered 20 {2}waiting 10 {2}first token p99 123 ms {2}faults 2$/,
  )
})

test('a credential is in no report', () => {
  const plan = planOf({ urls: ['http://there'], token: 'secret' })
  const { machine } = before
  assert.not.match(JSON.stringify(reportOf(before, { plan, workers: 1, machine, startedAt: 0, endedAt: 1, interrupted: false })), /secret/)
})

test.run()
