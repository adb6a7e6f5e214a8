/**
 * One turn: from a burst of messages to one answer. Admin sorts, an employee writes, QA checks; a failed check climbs the
 * ladder, at last to a person. Whatever ends it early (stop, interruption, a claim) first saves what was already said.
 */
import { assign, emit, enqueueActions, setup } from 'xstate'
import { type AgentOutput, agent } from './agent.ts'
import { entries } from './entry.ts'
import type { Emitted } from './event.ts'
import { type Tier, above, tierFor } from './ladder.ts'
import {
  type Classification,
  type ClassifyAsk,
  type Draft,
  type Salvage,
  type SalvageAsk,
  type ValidateAsk,
  type Verdict,
  slot,
} from './slot.ts'
import { addCost, addUsage, nothing } from './spend.ts'
import { timeOf } from './time.ts'
import { checkUsage, cutPrice, cutUsage, order, sortingUsage } from './turn.books.ts'
import { type Spent, type TurnContext, type TurnEvent, type TurnInput, type TurnOutput, idsOf, textOf } from './turn.context.ts'
import { partOf, questionOf, replyOf } from './turn.reply.ts'

/** Nodes may die and lines break under a turn this often before it is treated as a failure of its own. */
const LOSSES = 5

/** Without Admin's word nobody knows: the middle of the ladder tries. */
const unsorted: Classification = { intent: 'general_request', difficulty: 'normal', relevantFiles: [], qaRequirements: '', by: 'nobody' }

const tierOf = ({ difficulty }: Classification): Tier => (difficulty === 'unclear' ? 'director' : tierFor[difficulty])

const sentences = {
  'answer.failed': 'No model could answer. A person has been asked to look at this.',
  'board.asked': 'No answer passed the check. A person has been asked to look at this.',
} as const

/** True of agents that end without a draft because their node is gone, or the line to their model. */
const isLost = (output: AgentOutput) => output.outcome === 'fault' && (output.kind === 'lost' || output.kind === 'cut')

/** What it said stands for itself: no tool had told it anything. */
const isItsOwn = (output: AgentOutput) => output.outcome === 'fault' && output.hasConsulted === false

const reasonOf = (output: AgentOutput) => (output.outcome === 'fault' && output.kind === 'cut' ? 'reply.cut' : 'node.lost')

export const turn = setup({
  types: {
    input: {} as TurnInput,
    context: {} as TurnContext,
    events: {} as TurnEvent,
    emitted: {} as Emitted,
    output: {} as TurnOutput,
  },
  actors: {
    agent,
    classify: slot<Classification, ClassifyAsk>(),
    validate: slot<Verdict, ValidateAsk>(),
    salvage: slot<Salvage, SalvageAsk>(),
  },
  actions: {
    ...entries,
    takeDraft: assign((_, { draft }: { draft: Draft }) => ({ draft })),
    addSpent: assign(({ context }, { usage, cost }: Spent) => ({
      usage: addUsage(context.usage, usage),
      cost: addCost(context.cost, cost),
    })),
    noteWhy: assign((_, { why }: { why: string }) => ({ why })),
    noteLoss: assign(({ context }, output: AgentOutput) => ({
      losses: context.losses + 1,
      resumes: isItsOwn(output) ? (context.resumes ?? context.attempt) : undefined,
    })),
    tellAdmin: emit(({ context }) => ({ type: 'agent.status', turn: context.turn, agent: 'admin', status: 'sorting' })),
    tellChecking: emit(({ context }) => ({ type: 'agent.status', turn: context.turn, agent: 'qa', status: 'checking' })),
    retract: emit(({ context }, { reason }: { reason: string }) => ({
      type: 'reply.retracted',
      turn: context.turn,
      attempt: context.attempt,
      reason,
    })),
    widen: assign(({ context, event }) =>
      event.type === 'turn.widened' ? { messages: [...context.messages, event.message], resumes: undefined } : {},
    ),
    tellWidened: emit(({ context, event }) => ({
      type: 'turn.widened',
      turn: context.turn,
      messages: event.type === 'turn.widened' ? [event.message.id] : [],
    })),
    cut: assign(({ event }) => ({ cut: event.type === 'turn.cut' ? event.code : 'user.stopped' })),
    deliver: emit(({ context, event }) => replyOf(context, timeOf(event))),
    deliverPart: emit(({ context, event }, part: Pick<Salvage, 'text' | 'model'>) => partOf(context, part, timeOf(event))),
    /** A message that costs no expensive model. */
    askBack: emit(({ context, event }) => questionOf(context, timeOf(event))),
    finish: emit(({ context }) => ({ type: 'turn.finished', turn: context.turn })),
    stopped: emit(({ context }) => ({ type: 'turn.stopped', turn: context.turn, code: context.cut ?? 'user.stopped' })),
    fail: emit(({ context }, { code }: { code: keyof typeof sentences }) => ({
      type: 'turn.failed',
      turn: context.turn,
      code,
      message: sentences[code],
    })),
  },
  guards: {
    isUnclear: (_, { difficulty }: Classification) => difficulty === 'unclear',
    isAnswered: (_, { outcome }: AgentOutput) => outcome === 'answered',
    isPoor: (_, { outcome }: AgentOutput) => outcome === 'poor',
    /** The node died under the draft, or the line broke: the same tier writes again, and the ladder is not climbed. */
    wasLost: ({ context }, output: AgentOutput) => isLost(output) && context.losses < LOSSES,
    passes: (_, { pass }: Verdict) => pass,
    canClimb: ({ context }) => context.tries < context.policy.attempts,
    hasDraft: ({ context }) => context.draft !== null,
    isRecalled: (_, { text, recalled }: Salvage) => recalled === true && text !== '',
    isForgotten: (_, { text, recalled }: Salvage) => recalled === true && text === '',
    hasSpoken: (_, { text }: Salvage) => text !== '',
  },
  delays: {
    /** Sorting is a courtesy; nobody waits for it longer than this. */
    briefly: 20_000,
    patience: ({ context }) => context.policy.patience[context.tier],
    /** The check may itself be a model call. */
    shortly: 30_000,
    /** What was said is at hand or in the log: whoever waits longer waits in vain. */
    soon: 15_000,
  },
}).createMachine({
  id: 'turn',
  context: ({ input }) => ({
    ...input,
    attempt: 0,
    tries: 0,
    losses: 0,
    tier: 'director',
    classification: null,
    draft: null,
    why: '',
    cut: null,
    end: 'answered',
    usage: nothing,
    cost: 0,
  }),
  entry: [
    emit(({ context }) => ({ type: 'turn.started', turn: context.turn, messages: idsOf(context) })),
    { type: 'recordOrder', params: ({ context }) => order(context, { status: 'queued', owner: 'admin' }) },
  ],
  initial: 'classifying',
  states: {
    classifying: {
      entry: 'tellAdmin',
      invoke: {
        src: 'classify',
        id: 'classify',
        input: ({ context }) => ({ turn: context.turn, messages: idsOf(context), text: textOf(context) }),
        onDone: [
          {
            guard: { type: 'isUnclear', params: ({ event }) => event.output },
            target: 'askedBack',
            actions: [
              assign({ classification: ({ event }) => event.output }),
              { type: 'addSpent', params: ({ event }) => event.output },
              { type: 'recordUsage', params: ({ context, event }) => sortingUsage(context, event.output) },
            ],
          },
          {
            target: 'answering',
            actions: [
              emit(({ context, event: { output } }) => ({
                type: 'turn.classified',
                turn: context.turn,
                difficulty: output.difficulty,
                intent: output.intent,
                tier: tierOf(output),
                ...(output.saved !== undefined && { saved: output.saved }),
              })),
              assign(({ event: { output } }) => ({ classification: output, tier: tierOf(output) })),
              { type: 'addSpent', params: ({ event }) => event.output },
              { type: 'recordUsage', params: ({ context, event }) => sortingUsage(context, event.output) },
            ],
          },
        ],
        // Nobody could sort: the middle of the ladder simply tries.
        onError: { target: 'answering', actions: assign({ classification: unsorted }) },
      },
      on: {
        // Nothing is being said: words of an attempt that a wider turn withdrew must not come back.
        'turn.cut': { target: 'stopped', actions: 'cut' },
        'turn.widened': { target: 'classifying', reenter: true, actions: ['widen', 'tellWidened'] },
      },
      after: { briefly: { target: 'answering', actions: assign({ classification: unsorted }) } },
    },
    answering: {
      entry: [
        assign(({ context }) => ({ attempt: context.attempt + 1, draft: null })),
        {
          type: 'recordOrder',
          params: ({ context }) =>
            order(context, {
              intent: context.classification?.intent ?? 'general_request',
              difficulty: context.classification?.difficulty ?? 'normal',
            }),
        },
      ],
      invoke: {
        src: 'agent',
        id: 'agent',
        input: ({ context }) => ({
          turn: context.turn,
          attempt: context.attempt,
          tier: context.tier,
          messages: idsOf(context),
          text: textOf(context),
          ...(context.classification?.brief && { brief: context.classification.brief }),
          ...(context.why && { feedback: context.why }),
          ...(context.resumes && { resumes: context.resumes }),
        }),
        onDone: [
          {
            guard: { type: 'isAnswered', params: ({ event }) => event.output },
            target: 'validating',
            actions: [
              { type: 'takeDraft', params: ({ event }) => ({ draft: draftOf(event.output) }) },
              { type: 'addSpent', params: ({ event }) => event.output },
            ],
          },
          {
            guard: { type: 'wasLost', params: ({ event }) => event.output },
            target: 'answering',
            reenter: true,
            actions: [
              { type: 'retract', params: ({ event }) => ({ reason: reasonOf(event.output) }) },
              { type: 'noteLoss', params: ({ event }) => event.output },
              { type: 'addSpent', params: ({ event }) => event.output },
            ],
          },
          {
            guard: { type: 'isPoor', params: ({ event }) => event.output },
            target: 'climbing',
            actions: [
              { type: 'takeDraft', params: ({ event }) => ({ draft: draftOf(event.output) }) },
              { type: 'addSpent', params: ({ event }) => event.output },
              { type: 'noteWhy', params: ({ event }) => ({ why: whyOf(event.output) }) },
            ],
          },
          {
            target: 'climbing',
            actions: [
              { type: 'addSpent', params: ({ event }) => event.output },
              { type: 'noteWhy', params: ({ event }) => ({ why: whyOf(event.output) }) },
            ],
          },
        ],
        // The agent's own chart broke: the same as a failed draft.
        onError: { target: 'climbing', actions: { type: 'noteWhy', params: { why: 'the agent failed' } } },
      },
      on: {
        'turn.cut': { target: 'cutting', actions: 'cut' },
        'turn.widened': {
          target: 'classifying',
          actions: [{ type: 'retract', params: { reason: 'message.merged' } }, 'widen', 'tellWidened'],
        },
      },
      after: { patience: { target: 'climbing', actions: { type: 'noteWhy', params: { why: 'the answer took too long' } } } },
    },
    validating: {
      entry: 'tellChecking',
      invoke: {
        src: 'validate',
        id: 'validate',
        input: ({ context }) => {
          const draft = context.draft as Draft
          return {
            turn: context.turn,
            question: textOf(context),
            draft: draft.text,
            requirements: context.classification?.qaRequirements ?? '',
            citations: draft.citations,
            reason: draft.reason,
          }
        },
        onDone: [
          {
            guard: { type: 'passes', params: ({ event }) => event.output },
            target: 'delivered',
            actions: [
              { type: 'addSpent', params: ({ event }) => event.output },
              enqueueActions(({ context, event, enqueue }) => {
                for (const params of checkUsage(context, event.output)) enqueue({ type: 'recordUsage', params })
              }),
            ],
          },
          {
            target: 'climbing',
            actions: [
              { type: 'addSpent', params: ({ event }) => event.output },
              enqueueActions(({ context, event, enqueue }) => {
                for (const params of checkUsage(context, event.output)) enqueue({ type: 'recordUsage', params })
              }),
              { type: 'noteWhy', params: ({ event }) => ({ why: event.output.why ?? 'the check failed' }) },
            ],
          },
        ],
        // QA is absent, the answer is not: it is delivered unchecked rather than withheld.
        onError: 'delivered',
      },
      on: {
        'turn.cut': { target: 'cutting', actions: 'cut' },
        'turn.widened': {
          target: 'classifying',
          actions: [{ type: 'retract', params: { reason: 'message.merged' } }, 'widen', 'tellWidened'],
        },
      },
      after: { shortly: 'delivered' },
    },
    climbing: {
      entry: [
        assign({ tries: ({ context }) => context.tries + 1, resumes: undefined }),
        { type: 'retract', params: ({ context }) => ({ reason: context.why }) },
      ],
      always: [
        {
          guard: 'canClimb',
          target: 'answering',
          actions: [
            emit(({ context }) => ({
              type: 'turn.escalated',
              turn: context.turn,
              from: context.tier,
              to: above(context.tier) ?? context.tier,
              reason: context.why,
            })),
            // At the top the best tier tries once more, told why the draft before was not enough.
            assign({ tier: ({ context }) => above(context.tier) ?? context.tier }),
          ],
        },
        { guard: 'hasDraft', target: 'unconvincing' },
        { target: 'unanswered' },
      ],
    },
    cutting: {
      invoke: {
        src: 'salvage',
        id: 'salvage',
        input: ({ context }) => ({ turn: context.turn, attempt: context.attempt }),
        onDone: [
          {
            // Heard and kept may differ by the last words: the attempt is withdrawn, and what was kept is said as one of its own.
            guard: { type: 'isRecalled', params: ({ event }) => event.output },
            target: 'stopped',
            actions: [
              { type: 'retract', params: { reason: 'node.lost' } },
              assign(({ context }) => ({ attempt: context.attempt + 1 })),
              { type: 'deliverPart', params: ({ event }) => event.output },
            ],
          },
          {
            // Nothing was kept, and some words may have been heard all the same.
            guard: { type: 'isForgotten', params: ({ event }) => event.output },
            target: 'stopped',
            actions: { type: 'retract', params: { reason: 'node.lost' } },
          },
          {
            guard: { type: 'hasSpoken', params: ({ event }) => event.output },
            target: 'stopped',
            actions: { type: 'deliverPart', params: ({ event }) => event.output },
          },
          { target: 'stopped' },
        ],
        // What was said is in the log still; the turn ends without a message rather than never.
        onError: { target: 'stopped', actions: { type: 'retract', params: { reason: 'salvage.failed' } } },
      },
      after: { soon: { target: 'stopped', actions: { type: 'retract', params: { reason: 'salvage.failed' } } } },
      // Whatever becomes of the words, what is known of their price is paid.
      exit: enqueueActions(({ context, event, enqueue }) => {
        const { output } = event as { output?: Salvage }
        if (!output) return
        enqueue({ type: 'addSpent', params: cutPrice(context, output) })
        for (const params of cutUsage(context, output)) enqueue({ type: 'recordUsage', params })
      }),
    },
    delivered: {
      type: 'final',
      entry: ['deliver', 'finish', { type: 'recordOrder', params: ({ context }) => order(context, { status: 'completed' }) }],
    },
    askedBack: {
      type: 'final',
      entry: [
        assign({ end: 'asked back' }),
        'askBack',
        'finish',
        { type: 'recordOrder', params: ({ context }) => order(context, { status: 'blocked', owner: 'admin' }) },
      ],
    },
    stopped: {
      type: 'final',
      entry: [
        assign({ end: 'stopped' }),
        'stopped',
        { type: 'recordOrder', params: ({ context }) => order(context, { status: 'cancelled' }) },
      ],
    },
    unconvincing: {
      type: 'final',
      entry: [
        assign({ end: 'board' }),
        { type: 'fail', params: { code: 'board.asked' } },
        { type: 'recordOrder', params: ({ context }) => order(context, { status: 'blocked', owner: 'board', error: context.why }) },
      ],
    },
    unanswered: {
      type: 'final',
      entry: [
        assign({ end: 'board' }),
        { type: 'fail', params: { code: 'answer.failed' } },
        { type: 'recordOrder', params: ({ context }) => order(context, { status: 'failed', owner: 'board', error: context.why }) },
      ],
    },
  },
  output: ({ context }): TurnOutput => ({
    turn: context.turn,
    end: context.end,
    cost: context.cost,
    ...(context.cut && { code: context.cut }),
  }),
})

const draftOf = (output: AgentOutput) => (output as Extract<AgentOutput, { draft: Draft }>).draft
const whyOf = (output: AgentOutput) => (output.outcome === 'answered' ? '' : output.why)
