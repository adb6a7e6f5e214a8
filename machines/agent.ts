/** One employee at one draft: writes, consults tools, looks over the own work before handing it on. */
import { assign, emit, setup } from 'xstate'
import { entries } from './entry.ts'
import type { Emitted } from './event.ts'
import type { Tier } from './ladder.ts'
import type { Cost, Usage } from './message.ts'
import { type AnswerAsk, type ConsultAsk, type Draft, type ToolRound, slot } from './slot.ts'
import { addCost, addUsage, nothing } from './spend.ts'

/** Tool rounds of one draft; the sixth answer must do without. */
const ROUNDS = 5

export type AgentInput = Omit<AnswerAsk, 'rounds'>

/** What all calls of the draft cost together, those before a failure included. */
type Spent = { usage: Usage; cost: Cost }

export type AgentOutput = Spent &
  (
    | { outcome: 'answered'; draft: Draft }
    /** The draft exists and its author does not stand by it. */
    | { outcome: 'poor'; draft: Draft; why: string }
    /**
     * There is no draft. `lost`: whoever ran the work is gone; `cut`: the line broke in mid-stream. Neither says anything about the model.
     * `hasConsulted`: tools were asked before.
     */
    | { outcome: 'fault'; why: string; kind: string; hasConsulted: boolean }
  )

interface Context extends AgentInput, Spent {
  rounds: ToolRound[]
  draft: Draft | null
  fault: { kind: string; why: string } | null
}

const faultOf = (error: unknown): { kind: string; why: string } => {
  const { kind, name, message } = (error ?? {}) as { kind?: string; name?: string; message?: string }
  return { kind: kind ?? name ?? 'fault', why: message ?? 'the model failed' }
}

/** A trivially short draft is no answer, unless the question was as short as a greeting. */
const isThin = ({ text, draft }: Pick<Context, 'text' | 'draft'>) => {
  const said = (draft?.text ?? '').trim()
  return said.length === 0 || (said.length < 2 && text.trim().length > 40)
}

export const agent = setup({
  types: {
    input: {} as AgentInput,
    context: {} as Context,
    output: {} as AgentOutput,
    emitted: {} as Emitted,
  },
  actors: {
    answer: slot<Draft, AnswerAsk>(),
    consult: slot<ToolRound['results'], ConsultAsk>(),
  },
  actions: entries,
  guards: {
    wantsTools: ({ context }) => (context.draft?.calls.length ?? 0) > 0 && context.rounds.length < ROUNDS,
    isRefused: ({ context }) => context.draft?.reason === 'refusal' || context.draft?.reason === 'filter',
    isThin: ({ context }) => isThin(context),
    isLost: (_, { kind }: { kind: string }) => kind === 'lost',
  },
}).createMachine({
  id: 'agent',
  context: ({ input }) => ({ ...input, rounds: [], draft: null, fault: null, usage: nothing, cost: 0 }),
  initial: 'writing',
  output: ({ context: { draft, fault, text, usage, cost } }): AgentOutput => {
    const spent = { usage, cost }
    if (fault || !draft)
      return { outcome: 'fault', ...(fault ?? { kind: 'fault', why: 'there is no draft' }), hasConsulted: draft !== null, ...spent }
    if (draft.reason === 'refusal' || draft.reason === 'filter')
      return { outcome: 'poor', draft, why: `the model declined (${draft.reason})`, ...spent }
    if (isThin({ draft, text })) return { outcome: 'poor', draft, why: 'the answer is too short', ...spent }
    return { outcome: 'answered', draft, ...spent }
  },
  states: {
    writing: {
      entry: emit(({ context }) => ({ type: 'agent.status', turn: context.turn, agent: context.tier, status: 'writing' })),
      invoke: {
        src: 'answer',
        id: 'answer',
        input: ({ context: { draft: _, fault: __, usage: ___, cost: ____, ...ask } }) => ask,
        onDone: {
          target: 'reviewing',
          actions: [
            assign(({ context, event: { output } }) => ({
              draft: output,
              usage: addUsage(context.usage, output.usage),
              cost: addCost(context.cost, output.cost),
            })),
            { type: 'recordUsage', params: ({ context, event }) => usageOf(context.turn, context.tier, event.output) },
          ],
        },
        // The turn decides what a failed call means: the next tier, the same again, or the Board.
        onError: { target: 'failed', actions: assign({ fault: ({ event }) => faultOf(event.error) }) },
      },
    },
    reviewing: {
      always: [
        { guard: 'wantsTools', target: 'consulting' },
        { guard: 'isRefused', target: 'declined' },
        { guard: 'isThin', target: 'doubted' },
        { target: 'answered' },
      ],
    },
    consulting: {
      entry: emit(({ context }) => ({
        type: 'agent.status',
        turn: context.turn,
        agent: context.tier,
        status: 'consulting',
        tool: context.draft?.calls.map(({ name }) => name).join(', ') ?? '',
      })),
      invoke: {
        src: 'consult',
        id: 'consult',
        input: ({ context }) => ({ turn: context.turn, calls: context.draft?.calls ?? [] }),
        onDone: {
          target: 'writing',
          actions: assign({
            rounds: ({ context, event }) => [...context.rounds, { calls: context.draft?.calls ?? [], results: event.output }],
          }),
        },
        onError: [
          // The node died between two rounds, and with it the place where the words so far stood: the attempt begins anew.
          {
            guard: { type: 'isLost', params: ({ event }) => faultOf(event.error) },
            target: 'failed',
            actions: assign({ fault: ({ event }) => faultOf(event.error) }),
          },
          // A tool that fails is told to the model, which goes on without it.
          {
            target: 'writing',
            actions: assign({
              rounds: ({ context, event }) => {
                const calls = context.draft?.calls ?? []
                const text = `The tool failed: ${faultOf(event.error).why}`
                return [...context.rounds, { calls, results: calls.map(({ id, name }) => ({ id, name, text, failed: true })) }]
              },
            }),
          },
        ],
      },
    },
    answered: { type: 'final' },
    doubted: { type: 'final' },
    declined: { type: 'final' },
    failed: { type: 'final' },
  },
})

const usageOf = (turn: string, agent: Tier, { provider, model, usage, cost, ms }: Draft) => ({
  turn,
  agent,
  provider,
  model,
  usage,
  cost,
  ms,
  ok: true,
})
