/** Every benchmark, in the order in which they run. */
import type { Benchmark } from './bench.ts'
import { adapters } from './adapters.ts'
import { faulty } from './faulty.ts'
import { firstToken } from './first-token.ts'
import { frame } from './frame.ts'
import { soak } from './soak.ts'
import { store } from './store.ts'
import { sideBySide } from './side-by-side.ts'
import { memory } from './memory.ts'
import { resume } from './resume.ts'
import { stalled } from './stalled.ts'
import { tokens } from './tokens.ts'
import { turn } from './turn.ts'

export const benchmarks: Benchmark[] = [frame, tokens, firstToken, adapters, memory, resume, stalled, sideBySide, store, turn, faulty, soak]
