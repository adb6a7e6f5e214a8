/**
 * A conversation, for as long as it lives: gathers what people say, has it answered turn by turn, stops on request, yields to a
 * person. While a person has claimed it there is no transition by which an agent could speak.
 */
import { assign, emit, enqueueActions, sendTo, setup, stateIn } from 'xstate'
import type { Emitted, TurnCode } from './event.ts'
import type { Part } from './message.ts'
import type { Policy } from './policy.ts'
import { timeOf } from './time.ts'
import { type TurnOutput, turn } from './turn.ts'

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

interface Context extends ConversationInput {
  turns: number
  /** Accepted and not yet part of a turn. */
  waiting: { id: string; text: string }[]
  /** Dollars spent since the budget was whole; an unknown price counts as nothing here and is shown as unknown elsewhere. */
  spent: number
  claimant: string | null
}

type Cut = Extract<TurnCode, 'user.stopped' | 'message.interrupted' | 'operator.claimed'>

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
    refuse: emit(({ event }, { code }: { code: 'turn.busy' | 'mailbox.full' }) => ({ type: 'message.refused', id: messageOf(event).id, code })),
    beginTurn: assign(({ context }) => ({ turns: context.turns + 1 })),
    /** The turn has its own copy of what it answers. */
    handOver: assign({ waiting: [] }),
    cutTurn: sendTo('turn', (_, { code }: { code: Cut }) => ({ type: 'turn.cut', code })),
    widenTurn: sendTo('turn', ({ event }) => {
      const { id, text } = messageOf(event as ConversationEvent)
      return { type: 'turn.widened', message: { id, text } }
    }),
    clearHistory: emit(({ event }) => ({ type: 'history.cleared', at: timeOf(event) })),
    renewBudget: assign({ spent: 0 }),
    tellAutomated: emit({ type: 'conversation.state', value: 'automated', attention: 'automated' }),
    tellAsked: emit({ type: 'conversation.state', value: 'asked', attention: 'human', reason: 'board.asked' }),
    tellExhausted: emit({ type: 'conversation.state', value: 'exhausted', attention: 'automated', reason: 'quota.spent' }),
    tellClaimed: emit({ type: 'conversation.state', value: 'claimed', attention: 'human' }),
    join: emit(({ context }) => ({ type: 'operator.joined', name: context.claimant ?? '' })),
    leave: emit(({ context }) => ({ type: 'operator.left', name: context.claimant ?? '' })),
    nameClaimant: assign(({ event }) => (event.type === 'operator.claimed' ? { claimant: event.name } : {})),
    forgetClaimant: assign({ claimant: null }),
    speakAsOperator: emit(({ event }) => {
      const { message } = event as Extract<ConversationEvent, { type: 'operator.said' }>
      return { type: 'message.accepted', message: { id: message.id, role: 'operator', text: message.text, at: timeOf(event) } }
    }),
  },
  guards: {
    isFull: ({ context }) => context.waiting.length >= context.policy.waiting,
    gathers: ({ context }) => context.policy.window > 0,
    hasWaiting: ({ context }) => context.waiting.length > 0,
    rejects: ({ context }) => context.policy.whileBusy === 'reject',
    merges: ({ context }) => context.policy.whileBusy === 'merge',
    interrupts: ({ context }) => context.policy.whileBusy === 'interrupt',
    /** A claim does not make a spent budget whole. */
    isOver: ({ context }) => context.policy.budget !== null && context.spent > 0 && context.spent >= context.policy.budget,
    asksBoard: (_, { end }: TurnOutput) => end === 'board',
    isSpent: ({ context }, { cost }: Pick<TurnOutput, 'cost'>) =>
      context.policy.budget !== null && context.spent + (cost === 'unknown' ? 0 : cost) >= context.policy.budget,
  },
  delays: {
    window: ({ context }) => context.policy.window,
    period: ({ context }) => context.policy.period,
  },
}).createMachine({
  id: 'conversation',
  context: ({ input }) => ({ ...input, turns: 0, waiting: [], spent: 0, claimant: null }),
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
            // Stopped before anything began: what was said stays and goes unanswered.
            'user.stopped': { target: 'idle', actions: 'handOver' },
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
              turn: `t${context.turns}`,
              messages: context.waiting,
              policy: { attempts: context.policy.attempts, patience: context.policy.patience },
            }),
            onDone: [
              { guard: stateIn({ automated: { answering: 'yielding' } }), target: '#claimed', actions: assign({ spent: ({ context, event }) => context.spent + dollars(event.output) }) },
              {
                guard: { type: 'isSpent', params: ({ event }) => event.output },
                target: 'exhausted',
                actions: assign({ spent: ({ context, event }) => context.spent + dollars(event.output) }),
              },
              {
                guard: { type: 'asksBoard', params: ({ event }) => event.output },
                target: 'asked',
                actions: assign({ spent: ({ context, event }) => context.spent + dollars(event.output) }),
              },
              { target: 'rested', actions: assign({ spent: ({ context, event }) => context.spent + dollars(event.output) }) },
            ],
            // The turn's own chart broke. It told nothing, so the watchers are told here, and a person is asked.
            onError: {
              target: 'asked',
              actions: emit(({ context }) => ({ type: 'turn.failed', turn: `t${context.turns}`, code: 'answer.failed', message: 'The turn broke. A person has been asked to look at this.' })),
            },
          },
          initial: 'working',
          states: {
            working: {
              entry: 'handOver',
              on: {
                'message.received': [
                  { guard: 'rejects', actions: { type: 'refuse', params: { code: 'turn.busy' } } },
                  { guard: 'isFull', actions: { type: 'refuse', params: { code: 'mailbox.full' } } },
                  { guard: 'merges', actions: ['accept', 'widenTurn'] },
                  { guard: 'interrupts', actions: ['accept', 'queue', { type: 'cutTurn', params: { code: 'message.interrupted' } }] },
                  { actions: ['accept', 'queue'] },
                ],
                'user.stopped': { target: 'stopping', actions: { type: 'cutTurn', params: { code: 'user.stopped' } } },
                'operator.claimed': { target: 'yielding', actions: ['nameClaimant', { type: 'cutTurn', params: { code: 'operator.claimed' } }] },
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
        rested: { always: [{ guard: 'isOver', target: 'exhausted' }, { guard: 'hasWaiting', target: 'answering' }, { target: 'idle' }] },
        /** No answer was good enough: the Board (a person) has been asked. The next message is tried again all the same. */
        asked: {
          entry: 'tellAsked',
          exit: 'tellAutomated',
          always: { guard: 'hasWaiting', target: 'answering' },
          on: {
            'message.received': { target: 'answering', actions: ['accept', 'queue'] },
            'operator.claimed': '#claimed',
          },
        },
        exhausted: {
          entry: 'tellExhausted',
          exit: 'tellAutomated',
          on: {
            // Over the limit gets an answer, and it costs nothing.
            'message.received': {
              actions: enqueueActions(({ context, event, enqueue }) => {
                const { id } = messageOf(event)
                const name = `t${context.turns + 1}`
                enqueue('accept')
                enqueue('beginTurn')
                enqueue.emit({ type: 'turn.started', turn: name, messages: [id] })
                enqueue.emit({ type: 'turn.failed', turn: name, code: 'quota.spent', message: 'The budget of this conversation is spent.' })
              }),
            },
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

const dollars = ({ cost }: Pick<TurnOutput, 'cost'>) => (cost === 'unknown' ? 0 : cost)
