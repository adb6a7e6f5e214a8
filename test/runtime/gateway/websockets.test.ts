/** The end of a WebSocket is told in its turn, and everything else at once. */
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { WebSocket } from 'ws'
import { webSocketsThrough } from '../../../runtime/gateway/websockets.ts'
import { until } from '../../support/until.ts'
import { within } from '../../support/within.ts'

const once = (emitter: { once(name: string, hear: (...told: unknown[]) => void): unknown }, name: string) =>
  within(5_000, new Promise<unknown[]>((resolve) => emitter.once(name, (...told) => resolve(told))), name)

test('whoever has gone is told of when it is its turn, with all that is to be told', async () => {
  const turns: (() => void)[] = []
  const http = createServer()
  const server = new (webSocketsThrough((leave) => void turns.push(leave)))({ noServer: true })
  const here: WebSocket[] = []
  http.on('upgrade', (request, socket, head) => server.handleUpgrade(request, socket, head, (one) => here.push(one)))
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  try {
    const there = new WebSocket(`ws://127.0.0.1:${(http.address() as AddressInfo).port}`)
    await once(there, 'open')
    const [one] = here as [WebSocket]
    const ends: [code: number, reason: string][] = []
    one.on('close', (code, reason) => ends.push([code, reason.toString()]))

    there.send('words')
    assert.is(String((await once(one, 'message'))[0]), 'words')
    assert.is(turns.length, 0)

    there.close(4_000, 'enough')
    await until(() => turns.length > 0, 'its turn', 5_000)
    assert.is(one.readyState, WebSocket.CLOSED)
    assert.equal(ends, [])
    for (const leave of turns) leave()
    assert.equal(ends, [[4_000, 'enough']])
  } finally {
    server.close()
    http.closeAllConnections()
    http.close()
  }
})

test('the WebSockets are the very ones of Socket.IO', () => {
  const ours = createRequire(import.meta.url)
  const theirs = createRequire(createRequire(ours.resolve('socket.io')).resolve('engine.io'))
  assert.is(theirs.resolve('ws'), ours.resolve('ws'))
})

test.run()
