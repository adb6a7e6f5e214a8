/** Every benchmark, in the order in which they run. */
import type { Benchmark } from './bench.ts'
import { adapters } from './adapters.ts'
import { asleep } from './asleep.ts'
import { crossStop } from './cross-stop.ts'
import { faulty } from './faulty.ts'
import { firstToken } from './first-token.ts'
import { frame } from './frame.ts'
import { soak } from './soak.ts'
import { store } from './store.ts'
import { sideBySide } from './side-by-side.ts'
import { memory } from './memory.ts'
import { herd } from './herd.ts'
import { relay } from './relay.ts'
import { resume } from './resume.ts'
import { stalled } from './stalled.ts'
import { tokens } from './tokens.ts'
import { turn } from './turn.ts'

export const benchmarks: Benchmark[] = [
  frame,
  relay,
  tokens,
  firstToken,
  adapters,
  memory,
  resume,
  herd,
  stalled,
  sideBySide,
  store,
  asleep,
  turn,
  crossStop,
  faulty,
  soak,
]
