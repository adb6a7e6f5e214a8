/**
 * A conversation, for as long as it lives: gathers what people say, has it answered turn by turn, stops on request, yields to a
 * person. While a person has claimed it there is no transition by which an agent could speak.
 */
import { and, assign, emit, sendTo, setup, stateIn } from 'xstate'
import type { Emitted, TurnCode } from './event.ts'
import type { Part } from './message.ts'
import type { Policy } from './policy.ts'
import { timeOf } from './time.ts'
import type { TurnOutput } from './turn.context.ts'
import { turn } from './turn.ts'

export interface ConversationInput {
  conversation: string
  policy: Policy
}

export type ConversationEvent =
  | { type: 'message.received'; message: { id: string; text: string; parts?: Part[] }; at?: number }
  | { type: 'user.stopped' }
  | { type: 'history.cleared' }
  | { type: 'operator.claimed'; name: string }
  | { type: 'operator.said'; message: { id: string; text: string } }
  | { type: 'operator.released' }
  | { type: 'budget.renewed' }
  /** The turn cannot go on: what it waits for could not be taken in. */
  | { type: 'turn.broken' }

interface Context extends ConversationInput {
  turns: number
  /** Accepted and not yet part of a turn. */
  waiting: { id: string; text: string }[]
  /** Dollars spent since the budget was whole; an unknown price counts as nothing here and is shown as unknown elsewhere. */
  spent: number
  claimant: string | null
  /** Messages merged into the turn under way. */
  merged: number
}

type Cut = Extract<TurnCode, 'user.stopped' | 'message.interrupted' | 'operator.claimed'>

const nameOf = ({ turns }: Context) => `t${turns}`
const messageOf = (event: ConversationEvent) => (event as Extract<ConversationEvent, { type: 'message.received' }>).message

export const conversation = setup({
  types: {
    input: {} as ConversationInput,
    context: {} as Context,
    events: {} as ConversationEvent,
    emitted: {} as Emitted,
  },
  actors: { turn },
  actions: {
    /** Kept and told to every watcher, whoever is to answer it. */
    accept: emit(({ event }) => {
      const { id, text, parts } = messageOf(event)
      return { type: 'message.accepted', message: { id, role: 'user', text, ...(parts?.length && { parts }), at: timeOf(event) } }
    }),
    queue: assign({
      waiting: ({ context, event }) => {
        const { id, text } = messageOf(event)
        return [...context.waiting, { id, text }]
      },
    }),
    refuse: emit(({ event }, { code }: { code: 'turn.busy' | 'mailbox.full' }) => ({
      type: 'message.refused',
      id: messageOf(event).id,
      code,
    })),
    beginTurn: assign(({ context }) => ({ turns: context.turns + 1, merged: 0 })),
    countMerged: assign(({ context }) => ({ merged: context.merged + 1 })),
    /** The turn has its own copy of what it answers. */
    handOver: assign({ waiting: [] }),
    cutTurn: sendTo('turn', (_, { code }: { code: Cut }) => ({ type: 'turn.cut', code })),
    widenTurn: sendTo('turn', ({ event }) => {
      const { id, text } = messageOf(event as ConversationEvent)
      return { type: 'turn.widened', message: { id, text } }
    }),
    clearHistory: emit(({ event }) => ({ type: 'history.cleared', at: timeOf(event) })),
    renewBudget: assign({ spent: 0 }),
    addSpent: assign(({ context }, { cost }: Pick<TurnOutput, 'cost'>) => ({ spent: context.spent + (cost === 'unknown' ? 0 : cost) })),
    /** A turn that ends where it begins: nobody works on it, and whoever waits for the answer is told so. */
    tellBegun: emit(({ context }) => ({ type: 'turn.started', turn: nameOf(context), messages: context.waiting.map(({ id }) => id) })),
    tellStopped: emit(({ context }) => ({ type: 'turn.stopped', turn: nameOf(context), code: 'user.stopped' })),
    tellSpent: emit(({ context }) => ({
      type: 'turn.failed',
      turn: nameOf(context),
      code: 'quota.spent',
      message: 'The budget of this conversation is spent.',
    })),
    tellBroken: emit(({ context }) => ({
      type: 'turn.failed',
      turn: nameOf(context),
      code: 'answer.failed',
      message: 'The turn broke. A person has been asked to look at this.',
    })),
    tellAutomated: emit({ type: 'conversation.state', value: 'automated', attention: 'automated' }),
    tellAsked: emit({ type: 'conversation.state', value: 'asked', attention: 'human', reason: 'board.asked' }),
    tellExhausted: emit({ type: 'conversation.state', value: 'exhausted', attention: 'automated', reason: 'quota.spent' }),
    tellClaimed: emit({ type: 'conversation.state', value: 'claimed', attention: 'human' }),
    join: emit(({ context }) => ({ type: 'operator.joined', name: context.claimant ?? '' })),
    leave: emit(({ context }) => ({ type: 'operator.left', name: context.claimant ?? '' })),
    nameClaimant: assign(({ event }) => (event.type === 'operator.claimed' ? { claimant: event.name } : {})),
    forgetClaimant: assign({ claimant: null, merged: 0 }),
    speakAsOperator: emit(({ event }) => {
      const { message } = event as Extract<ConversationEvent, { type: 'operator.said' }>
      return { type: 'message.accepted', message: { id: message.id, role: 'operator', text: message.text, at: timeOf(event) } }
    }),
  },
  guards: {
    isYielding: stateIn({ automated: { answering: 'yielding' } }),
    isFull: ({ context }) => context.waiting.length + context.merged >= context.policy.waiting,
    gathers: ({ context }) => context.policy.window > 0,
    hasWaiting: ({ context }) => context.waiting.length > 0,
    rejects: ({ context }) => context.policy.whileBusy === 'reject',
    merges: ({ context }) => context.policy.whileBusy === 'merge',
    interrupts: ({ context }) => context.policy.whileBusy === 'interrupt',
    /** A claim does not make a spent budget whole. */
    isOver: ({ context }) => context.policy.budget !== null && context.spent > 0 && context.spent >= context.policy.budget,
    asksBoard: (_, { end }: TurnOutput) => end === 'board',
  },
  delays: {
    window: ({ context }) => context.policy.window,
    period: ({ context }) => context.policy.period,
  },
}).createMachine({
  id: 'conversation',
  context: ({ input }) => ({ ...input, turns: 0, waiting: [], spent: 0, claimant: null, merged: 0 }),
  on: { 'history.cleared': { actions: 'clearHistory' } },
  initial: 'automated',
  states: {
    automated: {
      initial: 'idle',
      states: {
        idle: {
          on: {
            'message.received': [
              { guard: 'gathers', target: 'gathering', actions: ['accept', 'queue'] },
              { target: 'answering', actions: ['accept', 'queue'] },
            ],
            'operator.claimed': '#claimed',
          },
        },
        gathering: {
          on: {
            'message.received': [
              { guard: 'isFull', actions: { type: 'refuse', params: { code: 'mailbox.full' } } },
              { actions: ['accept', 'queue'] },
            ],
            // Stopped before anything began: what was said stays, goes unanswered, and whoever waits for the answer is told.
            'user.stopped': { target: 'idle', actions: ['beginTurn', 'tellBegun', 'tellStopped', 'handOver'] },
            'operator.claimed': '#claimed',
          },
          after: { window: 'answering' },
        },
        answering: {
          entry: 'beginTurn',
          invoke: {
            src: 'turn',
            id: 'turn',
            input: ({ context }) => ({
              conversation: context.conversation,
              turn: nameOf(context),
              messages: context.waiting,
              policy: { attempts: context.policy.attempts, patience: context.policy.patience },
            }),
            onDone: [
              { guard: 'isYielding', target: '#claimed', actions: { type: 'addSpent', params: ({ event }) => event.output } },
              {
                guard: { type: 'asksBoard', params: ({ event }) => event.output },
                target: 'asked',
                actions: { type: 'addSpent', params: ({ event }) => event.output },
              },
              { target: 'rested', actions: { type: 'addSpent', params: ({ event }) => event.output } },
            ],
            // The turn's own chart broke. It told nothing, so the watchers are told here, and a person is asked.
            onError: [
              { guard: 'isYielding', target: '#claimed', actions: 'tellBroken' },
              { target: 'asked', actions: 'tellBroken' },
            ],
          },
          on: {
            'turn.broken': [
              { guard: 'isYielding', target: '#claimed', actions: 'tellBroken' },
              { target: 'asked', actions: 'tellBroken' },
            ],
          },
          initial: 'working',
          states: {
            working: {
              entry: 'handOver',
              on: {
                'message.received': [
                  { guard: 'rejects', actions: { type: 'refuse', params: { code: 'turn.busy' } } },
                  { guard: 'isFull', actions: { type: 'refuse', params: { code: 'mailbox.full' } } },
                  { guard: 'merges', actions: ['accept', 'countMerged', 'widenTurn'] },
                  { guard: 'interrupts', actions: ['accept', 'queue', { type: 'cutTurn', params: { code: 'message.interrupted' } }] },
                  { actions: ['accept', 'queue'] },
                ],
                'user.stopped': { target: 'stopping', actions: { type: 'cutTurn', params: { code: 'user.stopped' } } },
                'operator.claimed': {
                  target: 'yielding',
                  actions: ['nameClaimant', { type: 'cutTurn', params: { code: 'operator.claimed' } }],
                },
              },
            },
            /** The turn saves what was said; what comes meanwhile is for the next one. */
            stopping: {
              on: {
                'message.received': [
                  { guard: 'isFull', actions: { type: 'refuse', params: { code: 'mailbox.full' } } },
                  { actions: ['accept', 'queue'] },
                ],
                'operator.claimed': { target: 'yielding', actions: 'nameClaimant' },
              },
            },
            /** The turn saves what was said; a person takes what comes meanwhile. */
            yielding: {
              on: {
                'message.received': { actions: 'accept' },
                'operator.said': { actions: 'speakAsOperator' },
                'operator.released': { target: 'stopping', actions: 'forgetClaimant' },
              },
            },
          },
        },
        rested: {
          always: [
            { guard: and(['isOver', 'hasWaiting']), target: 'exhausted', actions: ['beginTurn', 'tellBegun', 'tellSpent', 'handOver'] },
            { guard: 'isOver', target: 'exhausted' },
            { guard: 'hasWaiting', target: 'answering' },
            { target: 'idle' },
          ],
        },
        /** No answer was good enough: the Board (a person) has been asked. The next message is tried again all the same. */
        asked: {
          entry: 'tellAsked',
          exit: 'tellAutomated',
          always: { guard: 'hasWaiting', target: 'rested' },
          on: {
            'message.received': { target: 'rested', actions: ['accept', 'queue'] },
            'operator.claimed': '#claimed',
          },
        },
        exhausted: {
          entry: 'tellExhausted',
          exit: 'tellAutomated',
          on: {
            // Over the limit gets an answer, and it costs nothing.
            'message.received': { actions: ['accept', 'queue', 'beginTurn', 'tellBegun', 'tellSpent', 'handOver'] },
            'budget.renewed': 'refreshed',
            'operator.claimed': '#claimed',
          },
          after: { period: 'refreshed' },
        },
        refreshed: { entry: 'renewBudget', always: 'rested' },
      },
    },
    claimed: {
      id: 'claimed',
      // What nobody had answered yet is the person's to answer.
      entry: ['nameClaimant', 'handOver', 'tellClaimed', 'join'],
      exit: ['leave', 'forgetClaimant'],
      on: {
        'message.received': { actions: 'accept' },
        'operator.said': { actions: 'speakAsOperator' },
        'operator.released': { target: 'automated.rested', actions: 'tellAutomated' },
      },
    },
  },
})
