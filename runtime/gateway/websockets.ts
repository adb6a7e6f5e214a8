/** The WebSockets below Socket.IO. One that has closed says so in its turn: a balancer that goes down closes thousands in the same moment. */
import { type ServerOptions, WebSocket, WebSocketServer } from 'ws'
import type { Turnstile } from './turnstile.ts'

/** What Socket.IO makes its server of, as its option `wsEngine`. */
export function webSocketsThrough(pass: Turnstile): new (options?: ServerOptions) => WebSocketServer {
  class Socket extends WebSocket {
    // What hangs on its end, here and in Socket.IO, costs several times as much as the end itself, and nobody is in a hurry for it. Whoever
    // is spoken to before ends at once, by the error of the write.
    override emit(name: string | symbol, ...told: unknown[]): boolean {
      if (name !== 'close') return super.emit(name, ...told)
      pass(() => super.emit(name, ...told))
      return true
    }
  }
  return class extends WebSocketServer {
    constructor(options?: ServerOptions) {
      super({ ...options, WebSocket: Socket })
    }
  }
}
