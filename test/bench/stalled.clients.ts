/** People who have stopped reading, on bare sockets. */
import { type StalledReader, stalledSocket } from '../support/stalled.ts'
import { serve } from './worker.ts'

const stalled: StalledReader[] = []

serve({
  stall: async ({ url, readers, conversation }: { url: string; readers: number; conversation: string }) => {
    for (let reader = 0; reader < readers; reader++) stalled.push(await stalledSocket(url, conversation))
  },
})
