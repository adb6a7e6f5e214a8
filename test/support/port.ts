import { createServer } from 'node:net'
import type { random } from './random.ts'

/** Below 32768: above it the kernel hands ports out to clients, perhaps while the server is between two lives. */
export async function freePort(chance: Pick<ReturnType<typeof random>, 'below'>, host = '127.0.0.1'): Promise<number> {
  for (;;) {
    const port = 15_000 + chance.below(17_000)
    const server = createServer()
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port, host, () => resolve(true))
    })
    await new Promise((resolve) => server.close(resolve))
    if (free) return port
  }
}
