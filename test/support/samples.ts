/** Samples that name only what a test is about. */
import type { Difficulty } from '../../machines/ladder.ts'
import { type Policy, defaultPolicy } from '../../machines/policy.ts'
import type { Classification, Draft } from '../../machines/slot.ts'

let count = 0

export const message = ({ text = 'why is the sky blue?', id = `m${++count}` }: { text?: string; id?: string } = {}) => ({
  type: 'message.received' as const,
  message: { id, text },
})

export const sorted = (difficulty: Difficulty = 'normal', more: Partial<Classification> = {}): Classification => ({
  intent: 'general_request',
  difficulty,
  relevantFiles: [],
  qaRequirements: 'it answers the question',
  by: 'rules',
  ...more,
})

export const draft = (text = 'Because of Rayleigh scattering.', more: Partial<Draft> = {}): Draft => ({
  text,
  provider: 'double',
  model: 'double-1',
  reason: 'stop',
  calls: [],
  citations: [],
  usage: { in: 10, out: 5 },
  cost: 0.01,
  ms: 100,
  ...more,
})

export const policy = (more: Partial<Policy> = {}): Policy => ({ ...defaultPolicy, ...more })
