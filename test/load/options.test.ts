import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Misuse } from './misuse.ts'
import { help, list, readOptions } from './options.ts'
import { fitted } from './preflight.ts'
import { cast, scenarios } from './scenarios.ts'

const url = ['--url', 'http://127.0.0.1:3000']

const refused = (args: string[], why: RegExp) =>
  assert.throws(
    () => readOptions(args),
    (error: Error) => error instanceof Misuse && why.test(error.message) && !error.message.includes('\n'),
    args.join(' '),
  )

const planOf = (...args: string[]) => {
  const wish = readOptions([...url, ...args])
  if (wish.do !== 'run') throw new Error(`it would ${wish.do}`)
  return { ...wish.plan, workers: wish.workers, json: wish.json, expected: wish.thresholds.map(({ text }) => text) }
}

test('an address is enough; connects are paced at five hundred a second and nothing may go wrong', () => {
  const { sockets, rate, shares, ramp, urls, expected } = planOf('--sockets', '2000')
  assert.equal([sockets, ramp, urls], [2000, 4, ['http://127.0.0.1:3000']])
  assert.ok(rate > 0)
  assert.equal(shares, [{ scenario: 'chat', weight: 1 }])
  for (const name of ['gaps', 'duplicates', 'reorderings', 'differing', 'lost', 'lostAcknowledgements'])
    assert.ok(expected.includes(`${name}=0`))
})

test('everything that can be set is', () => {
  const plan = planOf(
    ...[
      '--url',
      'http://a:1,https://b',
      '--sockets',
      '10',
      '--rate',
      '0.5',
      '--duration',
      '60',
      '--ramp',
      '0',
      '--tail',
      '5',
      '--workers',
      '3',
    ],
    ...[
      '--scenario',
      'chat:8,storm',
      '--storm-every',
      '7',
      '--token',
      't',
      '--text',
      'hi',
      '--seed',
      '9',
      '--json',
      'f',
      '--expect',
      'gaps<=2,p99.firstToken<300',
    ],
  )
  const { urls, sockets, rate, duration, ramp, tail, workers, shares, stormEvery, token, text, seed, json, expected } = plan
  assert.equal([urls, sockets, rate, duration, ramp, tail, workers], [['http://a:1', 'https://b'], 10, 0.5, 60, 0, 5, 3])
  assert.equal(shares, [
    { scenario: 'chat', weight: 8 },
    { scenario: 'storm', weight: 1 },
  ])
  assert.equal([stormEvery, token, text, seed, json], [7, 't', 'hi', 9, 'f'])
  assert.equal(expected.slice(-2), ['gaps<=2', 'p99.firstToken<300'])
  assert.ok(expected.includes('lost=0') && !expected.includes('gaps=0'), expected.join())
})

test('what makes no sense is refused with one sentence that names it', () => {
  refused([], /--url is missing/)
  refused(['--url', 'ftp://there'], /--url takes addresses .*"ftp:\/\/there"/)
  refused(['--url', 'http://there/v1'], /without a path/)
  refused([...url, '--sockets', 'many'], /--sockets takes a whole number from 1 .*"many"/)
  refused([...url, '--sockets', '1.5'], /--sockets/)
  refused([...url, '--rate', ''], /--rate/)
  refused([...url, '--rate', '-1'], /--rate' argument is ambiguous\. /)
  refused([...url, '--duration', '0'], /--duration/)
  refused([...url, '--scenario', 'chat,riot'], /--scenario takes .*idle.*"riot"/)
  refused([...url, '--scenario', 'chat:0'], /--scenario/)
  refused([...url, '--burst'], /Unknown option '--burst'/)
  refused([...url, 'now'], /"now" means nothing/)
  refused(['--compare', 'one.json'], /--compare takes two/)
  refused([...url, '--expect', 'p99.firstToken'], /--expect/)
})

test('storms that would never come are refused, and one comes in the middle of a run that is short', () => {
  refused([...url, '--scenario', 'chat:8,storm', '--duration', '8', '--storm-every', '8'], /in 8 s with one every 8 s, no storm/)
  refused([...url, '--scenario', 'storm', '--storm-every', '60'], /longer than --storm-every: in 30 s with one every 60 s/)
  assert.is(planOf('--scenario', 'storm', '--duration', '11').stormEvery, 10)
  assert.is(planOf('--scenario', 'storm', '--duration', '10').stormEvery, 5)
})

test('help names every option that there is, and the list every scenario', () => {
  for (const name of [
    'url',
    'token',
    'sockets',
    'rate',
    'duration',
    'ramp',
    'tail',
    'workers',
    'scenario',
    'storm-every',
    'text',
    'seed',
    'expect',
    'json',
    'compare',
  ])
    assert.match(help, new RegExp(`--${name} `))
  for (const { name } of scenarios) assert.match(list, new RegExp(`^${name} `, 'm'))
  assert.is(readOptions(['-h']).do, 'help')
  assert.is(readOptions(['--list']).do, 'list')
})

test('every stretch of sockets has the shares that were asked for, and each scenario goes to all addresses alike', () => {
  const roles = cast(120, [
    { scenario: 'chat', weight: 2 },
    { scenario: 'idle', weight: 1 },
  ])
  for (const half of [roles.slice(0, 60), roles.slice(60)]) assert.is(half.filter(({ scenario }) => scenario.name === 'chat').length, 40)
  for (const name of ['chat', 'idle']) {
    const first = roles.filter(({ scenario, place }) => scenario.name === name && place % 2 === 0).length
    assert.is(first, name === 'chat' ? 40 : 20)
  }
})

test('too few files are told before the first socket', () => {
  const plan = planOf('--sockets', '4000')
  assert.throws(() => fitted(plan, 2, { files: 1_024, ports: 28_000 }), /need 2064 open files each, and 1024 are allowed: ulimit -n 2064/)
  assert.is(fitted(plan, 2, { files: 2_064, ports: 28_000 }), plan)
})

test('beyond the ports of one address, loopback is reached from several, and others are told to be more', () => {
  const many = planOf('--url', 'http://localhost:3000', '--sockets', '60000')
  const { from, urls } = fitted(many, 2, { files: 100_000, ports: 28_000 })
  assert.equal(from?.addresses.slice(0, 2), ['127.0.0.2', '127.0.0.3'])
  assert.ok((from?.sockets ?? 0) * (from?.addresses.length ?? 0) >= 60_000)
  assert.ok((from?.sockets ?? 0) < 28_000)
  assert.equal(urls, ['http://127.0.0.1:3000'])

  const far = planOf('--url', 'http://10.0.0.1', '--sockets', '60000')
  assert.throws(() => fitted(far, 2, { files: 100_000, ports: 28_000 }), /more than the 28000 ports/)
  const farther = planOf('--url', 'http://10.0.0.1,http://10.0.0.2,http://10.0.0.3', '--sockets', '60000')
  assert.is(fitted(farther, 2, { files: 100_000, ports: 28_000 }), farther)
})

test.run()
