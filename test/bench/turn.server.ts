/** A node whose store is counted. */
import { openNode } from './node.ts'
import { type Asked, counted } from './turn.counted.ts'
import { cpu, serve } from './worker.ts'

let asked: () => Asked
const { url, engine } = await openNode({
  through: (db) => {
    const watched = counted(db)
    asked = watched.asked
    return watched.db
  },
})
let before: { cpu: number; asked: Asked }

serve({
  url: () => url,
  begin: () => {
    before = { cpu: cpu(), asked: asked() }
  },
  /** CPU in ms and what was asked of the store since the beginning, once nothing is under way any more. */
  end: async () => {
    await engine.runner.quiet(10_000)
    await engine.host.idle()
    await new Promise((resolve) => setTimeout(resolve, 500)) // the stream log is written and let go
    const now = asked()
    const spent = (cpu() - before.cpu) / 1000
    const since = Object.entries(now).map(([name, count]) => [name, count - before.asked[name as keyof Asked]])
    return { cpu: spent, ...(Object.fromEntries(since) as Asked) }
  },
})
