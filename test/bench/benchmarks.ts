/** Every benchmark, in the order in which they run. */
import type { Benchmark } from './bench.ts'
import { frame } from './frame.ts'
import { tokens } from './tokens.ts'

export const benchmarks: Benchmark[] = [frame, tokens]
