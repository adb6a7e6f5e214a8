/** A model service in a process of its own: every wire format, replies of a given length, at once or at a pace. */
import { providerDouble } from '../support/provider.ts'
import { bodyOf, type Wire, wires } from '../support/provider.wire.ts'
import { wordAt } from './double.words.ts'
import { serve } from './worker.ts'

let script: { tokens: number; pace: number } = { tokens: 1, pace: 0 }
const pieces = (tokens: number) => Array.from({ length: tokens }, (_, at) => wordAt(at))
/** Whole bodies, so that the service costs nothing while somebody else is measured. */
const bodies = new Map<string, Buffer>()

function whole(wire: Wire, model: string): Buffer {
  const key = `${wire}/${model}/${script.tokens}`
  const found = bodies.get(key)
  if (found) return found
  const { said, last } = bodyOf.script(wire, { text: pieces(script.tokens) }, model)
  const made = Buffer.from([...said, ...last].join(''))
  bodies.set(key, made)
  return made
}

const double = await providerDouble({
  answer: ({ wire, model }) => (script.pace > 0 ? { text: pieces(script.tokens), pace: script.pace } : { recorded: whole(wire, model) }),
})

serve({
  urls: () => Object.fromEntries(wires.map((wire) => [wire, double.url(wire)])),
  /** What everybody gets from now on; a pace is in milliseconds, and 0 sends the whole at once. */
  script: (next: typeof script) => {
    script = next
    double.requests.length = 0
  },
})
