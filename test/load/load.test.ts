/** The load tester as a library, against a small server of our own that keeps the protocol, and against servers that break it. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Entry, now } from '../chaos/journal.ts'
import { until } from '../support/until.ts'
import { within } from '../support/within.ts'
import { type Lie, type Memory, startDouble } from './double.ts'
import { pauseAfter } from './line.ts'
import { createCrew } from './crew.ts'
import { type LoadOptions, planOf, startLoad } from './load.ts'
import type { Report } from './report.ts'
import { type Counts, type Fault, faults, keysOf } from './tally.ts'

const few = { sockets: 4, rate: 20, duration: 0.6, ramp: 0, tail: 1, seed: 7 }

const faultsOf = (counts: Counts) => Object.fromEntries(keysOf(faults).flatMap((name) => (counts[name] ? [[name, counts[name]]] : [])))

const load = (options: LoadOptions) => {
  const run = startLoad({ ...few, ...options })
  return { ...run, done: within(20_000, run.done, 'the load') }
}

const against = async (lie: Lie | undefined, more: Partial<LoadOptions> = {}) => {
  const double = await startDouble(lie && { lie })
  try {
    return await load({ urls: [double.url], ...more }).done
  } finally {
    await double.close()
  }
}

test('a server that keeps the protocol has no faults, whatever people do', async () => {
  const shares = ['idle', 'chat', 'burst', 'storm', 'stop', 'reader'].map((scenario) => ({ scenario, weight: 1 }))
  const { counts, figures } = await against(undefined, { sockets: 12, rate: 30, duration: 1, stormEvery: 0.3, tail: 10, shares })
  assert.equal(faultsOf(counts), {})
  assert.ok(counts.sent >= 30 && counts.acknowledged === counts.sent, JSON.stringify(counts))
  assert.is(counts.answered + counts.stopped, counts.sent)
  assert.ok(counts.stopped > 0 && figures.stop.count > 0, 'something was stopped')
  // Two sockets in each of three storms; whoever is cut off again on the way back comes back once.
  assert.ok(counts.reconnects > 0 && counts.reconnects <= counts.drops && counts.drops <= 6, JSON.stringify(counts))
  assert.is(figures.resume.count, counts.reconnects)
  for (const name of ['connect', 'join', 'acknowledgement', 'firstToken', 'frameGap', 'endToEnd', 'late'] as const)
    assert.ok(figures[name].count > 0, name)
})

test('messages go out at their time, and the time counts from there', async () => {
  const times: number[] = []
  const { counts, figures } = await against(undefined, {
    onEntry: (_, entry) => void (entry.t === 'sent' && times.push(entry.at)),
  })
  assert.is(counts.sent, 12)
  // A machine that stands still makes some late, and the tester says by how much.
  const off = times.map((at, n) => at - (times[0] as number) - 50 * n)
  assert.ok(
    off.every((one) => Math.abs(one) < 10 + (figures.late.max ?? 0)),
    `${off.map(Math.round).join(' ')}, late ${figures.late.max}`,
  )
  assert.ok((figures.endToEnd.p50 ?? 0) >= 50, 'eleven words at five milliseconds')
})

test('a tester that falls behind says so, and catches up with what was to be sent meanwhile', async () => {
  let sent = 0
  const { counts, figures } = await against(undefined, {
    onEntry(_, entry) {
      if (entry.t !== 'sent' || ++sent !== 3) return
      for (const until = performance.now() + 250; performance.now() < until; ); // as a garbage collector would
    },
  })
  assert.is(counts.sent, 12)
  assert.ok((figures.late.max ?? 0) >= 150, `${figures.late.max} ms`)
  assert.ok((figures.acknowledgement.max ?? 0) >= 150, `${figures.acknowledgement.max} ms`)
})

const lies: [Lie, Fault, Partial<LoadOptions>?][] = [
  ['leaves one out', 'gaps'],
  ['tells one twice', 'duplicates'],
  ['swaps two', 'reorderings'],
  ['says other words', 'differing'],
  ['answers again', 'doubled'],
  ['never answers', 'lost'],
  ['never acknowledges', 'lostAcknowledgements'],
  ['never stops', 'unstopped', { shares: [{ scenario: 'stop', weight: 1 }] }],
]
const caught = new Map<Lie, Report>()

// All at once: most of their time is waiting for what never comes.
test.before(async () => {
  await Promise.all(lies.map(async ([lie, _, more]) => caught.set(lie, await against(lie, more))))
})

for (const [lie, fault] of lies)
  test(`a server that ${lie} is found out`, () => {
    const { counts, complaints } = caught.get(lie) as Report
    assert.ok(counts[fault] > 0, `${fault}: ${JSON.stringify(faultsOf(counts))}`)
    assert.ok(complaints.some((one) => one.fault === fault))
  })

test('somebody who is not let in is told of, and does not hold up the rest', async () => {
  const double = await startDouble({ lie: 'lets nobody in' })
  try {
    const run = load({ urls: [double.url] })
    await until(() => double.sockets() === few.sockets, 'everybody has connected')
    run.stop()
    const { counts } = await run.done
    assert.equal(faultsOf(counts), { down: few.sockets })
  } finally {
    await double.close()
  }
})

test('whoever is told to leave comes back at the next address, with nothing missing', async () => {
  const memory: Memory = new Map()
  const [one, two] = [await startDouble({ memory }), await startDouble({ memory })]
  try {
    const run = load({ urls: [one.url, two.url], duration: 1, tail: 10 })
    await until(() => run.counts().frames > 10, 'words')
    assert.equal([one.sockets(), two.sockets()], [2, 2])
    one.leave(50)
    await until(() => one.sockets() === 0 && two.sockets() === few.sockets, 'everybody is with the other')
    const { counts, figures } = await run.done
    assert.equal(faultsOf(counts), {})
    assert.is(counts.reconnects, 2)
    assert.ok((figures.resume.max ?? 0) > 0 && counts.answered === counts.sent)
  } finally {
    await Promise.all([one.close(), two.close()])
  }
})

test('a node that is gone for good is left behind, and its messages are answered by the other', async () => {
  const memory: Memory = new Map()
  const [one, two] = [await startDouble({ memory }), await startDouble({ memory })]
  try {
    const run = load({ urls: [one.url], duration: 1, tail: 10 })
    await until(() => run.counts().frames > 10, 'words')
    run.moveTo([two.url])
    assert.equal(run.urls(), [two.url])
    await one.close()
    const { counts } = await run.done
    assert.equal(faultsOf(counts), {})
    assert.equal([counts.drops, counts.answered], [few.sockets, counts.sent])
  } finally {
    await two.close()
  }
})

test('whoever is told that it lags joins again with its cursor, on the same connection', async () => {
  const double = await startDouble()
  try {
    const run = load({ urls: [double.url], tail: 10 })
    await until(() => run.counts().frames > 5, 'words')
    double.lag()
    const { counts } = await run.done
    assert.equal([counts.lagged, counts.drops, counts.resent, faultsOf(counts)], [few.sockets, 0, 0, {}])
    assert.is(counts.answered, counts.sent)
  } finally {
    await double.close()
  }
})

test('a refusal for now is asked again, one for good is counted by its code and is no loss', async () => {
  const double = await startDouble({ refusals: ['server.draining', 'mailbox.full', 'store.unavailable'] })
  try {
    const { counts, refused } = await load({ urls: [double.url], tail: 10 }).done
    assert.equal(refused, { 'server.draining': 1, 'mailbox.full': 1, 'store.unavailable': 1 })
    assert.equal([counts.refused, counts.answered, counts.resent, faultsOf(counts)], [3, counts.sent - 1, 2, {}])
  } finally {
    await double.close()
  }
})

test('what was on its way when the line was lost is sent again, once', async () => {
  const double = await startDouble({ refusals: ['silence'] })
  try {
    const run = load({ urls: [double.url], tail: 10 })
    await until(() => run.counts().sent === run.counts().acknowledged + 1 && run.counts().acknowledged > 0, 'one that nobody answers')
    run.cut()
    const { counts } = await run.done
    assert.equal([counts.answered, counts.acknowledged, faultsOf(counts)], [counts.sent, counts.sent, {}])
    assert.ok(counts.resent > 0)
  } finally {
    await double.close()
  }
})

test('a server that has forgotten a conversation is found out, and talked to again', async () => {
  const memory: Memory = new Map()
  const double = await startDouble({ memory })
  try {
    const run = load({ urls: [double.url], duration: 1, tail: 2 })
    await until(() => run.counts().answered >= 4, 'answers')
    memory.clear()
    run.cut()
    const before = run.counts().answered
    const { counts, refused } = await run.done
    assert.ok(counts.gaps > 0 && (refused['cursor.ahead'] ?? 0) > 0, JSON.stringify([counts, refused]))
    assert.ok(counts.answered > before)
  } finally {
    await double.close()
  }
})

if (process.platform === 'linux')
  test('sockets come from as many addresses of ours as they need', async () => {
    const double = await startDouble()
    try {
      await load({ urls: [double.url], from: { addresses: ['127.0.0.2', '127.0.0.3'], sockets: 2 }, rate: 0, duration: 0.1 }).done
      assert.equal([...double.origins].map((one) => one.replace('::ffff:', '')).sort(), ['127.0.0.2', '127.0.0.3'])
    } finally {
      await double.close()
    }
  })

test('whoever is cut off comes back at once, then ever later, and never all together', () => {
  for (const chance of [0, 0.5, 0.999]) {
    assert.ok(pauseAfter(0, chance) <= 100)
    for (let tries = 1; tries < 20; tries++) assert.ok(pauseAfter(tries, chance) <= 2_000)
    assert.ok(pauseAfter(3, chance) > pauseAfter(1, chance) && pauseAfter(30, chance) >= 1_000)
  }
  for (const tries of [0, 1, 3, 30]) assert.ok(pauseAfter(tries, 0.9) > pauseAfter(tries, 0.1), `${tries}`)
})

test('every connection can be cut at once', async () => {
  const double = await startDouble()
  try {
    const run = load({ urls: [double.url], tail: 10 })
    await until(() => run.counts().frames > 5, 'words')
    run.cut()
    const { counts, figures } = await run.done
    assert.equal([counts.drops, counts.reconnects, faultsOf(counts)], [few.sockets, few.sockets, {}])
    assert.ok(figures.resumeToken.count > 0, 'somebody was being answered')
  } finally {
    await double.close()
  }
})

test('the journal has everything that each conversation said and heard, under the text that was asked for', async () => {
  const journal = new Map<string, Entry[]>()
  const { counts } = await against(undefined, {
    textOf: (id) => `(ref ${id})`,
    onEntry: (conversation, entry) => void journal.set(conversation, [...(journal.get(conversation) ?? []), entry]),
  })
  assert.is(journal.size, few.sockets)
  const all = [...journal.values()].flat()
  const sent = all.flatMap((entry) => (entry.t === 'sent' ? [entry] : []))
  assert.is(sent.length, counts.sent)
  for (const { id, text } of sent) {
    assert.is(text, `(ref ${id})`)
    assert.ok(all.some((entry) => entry.t === 'accepted' && entry.id === id))
    assert.ok(all.some((entry) => entry.t === 'heard' && entry.frame[0] === 'turn.started' && entry.frame[1].messages?.includes(id)))
  }
  for (const entries of journal.values()) assert.is(entries[0]?.t, 'joined')
})

test('however many crews there are, all messages of the plan are sent', async () => {
  const double = await startDouble()
  const plan = planOf({
    urls: [double.url],
    sockets: 9,
    rate: 7,
    duration: 1,
    ramp: 0,
    shares: [
      { scenario: 'chat', weight: 2 },
      { scenario: 'idle', weight: 1 },
    ],
  })
  const crews = Array.from({ length: 4 }, (_, index) => createCrew({ plan, index, of: 4 }))
  try {
    await Promise.all(crews.map((crew) => crew.connect()))
    const at = now() + 50
    await Promise.all(crews.map((crew) => crew.speak(at)))
    await Promise.all(crews.map((crew) => crew.settle()))
    assert.is(
      crews.map((crew) => crew.part().counts.sent).reduce((sum, one) => sum + one, 0),
      7,
    )
  } finally {
    await Promise.all(crews.map((crew) => crew.close()))
    await double.close()
  }
})

test('a second stop waits for nothing and judges nothing', async () => {
  const double = await startDouble({ lie: 'never answers' })
  try {
    const run = load({ urls: [double.url], duration: 60, tail: 60 })
    await until(() => run.counts().acknowledged > 2, 'messages')
    run.stop()
    run.stop()
    const { counts, interrupted, endedEarly } = await run.done
    assert.equal([faultsOf(counts), interrupted, endedEarly], [{}, true, true])
    assert.is(counts.unfinished, counts.sent)
  } finally {
    await double.close()
  }
})

test.run()
