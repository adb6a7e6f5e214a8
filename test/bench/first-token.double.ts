/** A model service whose first word is the time at which it was sent, in µs of the clock that all processes of a machine share. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { bodyOf } from '../support/provider.wire.ts'
import { wordAt } from './double.words.ts'
import { microseconds, serve } from './worker.ts'

const PACE = 16 // milliseconds between two tokens

const chunk = (text: string) => bodyOf.script('chat', { text: [text] }, 'chat-model').said.at(-1) as string
let rest: string[] = []
const { last } = bodyOf.script('chat', {}, 'chat-model')

const server = createServer((req, res) => {
  req.resume().on('end', async () => {
    res.writeHead(200, { 'content-type': 'text/event-stream' })
    res.flushHeaders()
    await moment()
    res.write(chunk(`${microseconds()} `))
    for (const text of rest) {
      await moment()
      res.write(text)
    }
    res.end(last.join(''))
  })
})
server.on('connection', (socket) => void socket.setNoDelay(true))
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))

const moment = () => new Promise((resolve) => setTimeout(resolve, PACE))

serve({
  /** Where it speaks, and says so many tokens to everybody. */
  url: (tokens: number) => {
    rest = Array.from({ length: tokens }, (_, at) => chunk(wordAt(at)))
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
  },
})
