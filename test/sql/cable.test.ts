import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openDatabase } from '../../sql/database.ts'
import { connect } from '../../sql/database.postgres.ts'
import { failure as complaint, welcome } from '../../sql/wire.messages.ts'
import { handServer } from '../support/hand.server.ts'
import { until } from '../support/until.ts'
import { within } from '../support/within.ts'

const failure = (work: PromiseLike<unknown>) =>
  within(
    5_000,
    work.then(
      () => 'answered',
      (why: Error) => why.message,
    ),
  )

test('a server that is not there is refused with a sentence that has no password', async () => {
  const { server, url } = await handServer(() => {})
  server.close()
  const why = await failure(openDatabase({ url }))
  assert.match(why, /^PostgreSQL at 127\.0\.0\.1:\d+\/mine cannot be used: .*ECONNREFUSED/)
  assert.not.match(why, /secret/)
})

// postgres.js waits for up to 20 s once a pool has failed often; it counts only what it is told as an error, and a cable tells of ends.
test('however often a whole pool has failed, the server is asked again within a second', async () => {
  let refused = 0
  let isAway = true
  let ask = () => {}
  const asked = new Promise<void>((resolve) => {
    ask = resolve
  })
  const { server, url } = await handServer((socket) => {
    if (!isAway) return ask()
    refused++
    socket.destroy()
  })
  const sql = connect(url, 8)
  const goOn = async () => {
    while (isAway) await sql`select 1`.catch(() => {})
  }
  const all = Array.from({ length: 8 }, goOn)
  try {
    await until(() => refused >= 40, 'forty failures')
    isAway = false
    await within(1_000, asked, 'the next try')
  } finally {
    isAway = false
    await sql.end({ timeout: 0 })
    await Promise.all(all)
    server.close()
  }
})

test('a server that hangs up says so, again and again, and the process lives', async () => {
  const { server, url } = await handServer((socket) => socket.destroy())
  const sql = connect(url, 1)
  for (let round = 0; round < 3; round++) assert.match(await failure(sql`select 1`), /closed the connection|ECONNRESET/)
  await within(2_000, sql.end({ timeout: 1 }))
  server.close()
})

test('no padding reaches the server, and the name of the application does', async () => {
  let heard = ''
  const { server, url } = await handServer((socket, bytes) => {
    heard ||= bytes.toString('latin1')
    socket.destroy()
  })
  const sql = connect(url, 1)
  await failure(sql`select 1`)
  assert.match(heard, /user\0me\0/)
  assert.match(heard, /application_name\0nexus\0/)
  assert.not.match(heard, /padding/)
  assert.is(heard.length, Buffer.from(heard, 'latin1').readInt32BE(0))
  await sql.end({ timeout: 1 })
  server.close()
})

test('a server that does not encrypt is refused when the url demands it', async () => {
  const { server, url } = await handServer((socket) => socket.write('N'))
  const sql = connect(`${url}?sslmode=require`, 1)
  assert.match(await failure(sql`select 1`), /does not encrypt/)
  await sql.end({ timeout: 1 })
  server.close()
})

test('the last words of a server are the reason, however they are cut into packets, and are not told twice', async () => {
  const words = Buffer.from(complaint('57P01', 'terminating connection').toString('latin1').replaceAll('ERROR', 'FATAL'), 'latin1')
  let count = 0
  const { server, url } = await handServer((socket, bytes) => {
    if (bytes[0] === 0) return void socket.write(welcome)
    count++
    socket.setNoDelay(true)
    for (let at = 0; at < words.length; at += 7) socket.write(words.subarray(at, at + 7))
    socket.end()
  })
  const sql = connect(url, 1)
  assert.match(await failure(sql`select 1`), /terminating connection/)
  assert.match(await failure(sql`select 2`), /terminating connection/)
  assert.is(count, 2)
  await sql.end({ timeout: 1 })
  server.close()
})

test('a server that owes an answer and says nothing is given up, and asked anew on another connection', async () => {
  let count = 0
  const { server, url } = await handServer((socket, bytes) => {
    if (bytes[0] === 0) return void socket.write(welcome)
    if (++count > 2) socket.end(complaint('57P01', 'but here is somebody'))
  })
  for (const isPooled of [false, true]) {
    count = 0
    const sql = connect(url, 1, { patience: 100, isPooled })
    assert.match(await failure(sql`select 1`), /the server has not answered for 0 s/)
    assert.match(await failure(sql`select ${1}::int`), /the server has not answered for 0 s/)
    assert.match(await failure(sql`select 2`), /somebody|closed/)
    await sql.end({ timeout: 1 })
  }
  server.close()
})

test('without a limit a server may be silent for as long as it wants, and so may one that owes nothing', async () => {
  let ask = () => {}
  const asked = new Promise<void>((resolve) => {
    ask = resolve
  })
  const { server, url } = await handServer((socket, bytes) => void (bytes[0] === 0 ? socket.write(welcome) : ask()))
  const [patient, idle] = [connect(url, 1), connect(url, 1, { patience: 100 })]
  const end = patient`select 1`.then(
    () => 'answered',
    () => 'given up',
  )
  await within(5_000, asked)
  const early = await Promise.race([end, new Promise((resolve) => setTimeout(resolve, 1_500, 'it waits'))])
  assert.is(early, 'it waits')
  await Promise.all([patient.end({ timeout: 0 }), idle.end({ timeout: 0 })])
  server.close()
})

test.run()
