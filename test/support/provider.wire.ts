/** How each of the five services puts the same words on the wire. */
import type { Script } from './provider.ts'

export const wires = ['anthropic', 'openai', 'chat', 'gemini', 'ollama'] as const
export type Wire = (typeof wires)[number]

/** `said` carries the words, `last` the terminal marker: a fault falls between them. */
interface Body {
  said: string[]
  last: string[]
}

type Wanted = Required<Pick<Script, 'usage' | 'end' | 'think' | 'tools'>> & { pieces: string[]; model: string }

const writers: Record<Wire, (wanted: Wanted) => Body> = {
  anthropic: ({ pieces, think, tools, usage, end, model }) => {
    const event = (data: { type: string }) => `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`
    const block = (index: number, content_block: object, deltas: object[]) => [
      event({ type: 'content_block_start', index, content_block } as { type: string }),
      ...deltas.map((delta) => event({ type: 'content_block_delta', index, delta } as { type: string })),
      event({ type: 'content_block_stop', index } as { type: string }),
    ]
    let index = 0
    const counted = usage || { in: 0, out: 0 }
    const stop_reason =
      end === 'length' ? 'max_tokens' : end === 'refusal' || end === 'filter' ? 'refusal' : tools.length ? 'tool_use' : 'end_turn'
    const message = {
      id: 'msg_double',
      type: 'message',
      role: 'assistant',
      model,
      content: [],
      stop_reason: null,
      stop_sequence: null,
      ...(usage
        ? {
            usage: {
              input_tokens: counted.in - (counted.cacheRead ?? 0) - (counted.cacheWrite ?? 0),
              output_tokens: 1,
              cache_read_input_tokens: counted.cacheRead ?? 0,
              cache_creation_input_tokens: counted.cacheWrite ?? 0,
            },
          }
        : {}),
    }
    return {
      said: [
        event({ type: 'message_start', message } as { type: string }),
        event({ type: 'ping' }),
        ...(think
          ? block(index++, { type: 'thinking', thinking: '' }, [
              { type: 'thinking_delta', thinking: think },
              { type: 'signature_delta', signature: 'c2ln' },
            ])
          : []),
        ...(pieces.length
          ? block(
              index++,
              { type: 'text', text: '' },
              pieces.map((text) => ({ type: 'text_delta', text })),
            )
          : []),
        ...tools.flatMap(({ id = `toolu_${index}`, name, args }) =>
          block(index++, { type: 'tool_use', id, name, input: {} }, [{ type: 'input_json_delta', partial_json: JSON.stringify(args) }]),
        ),
      ],
      last: [
        event({
          type: 'message_delta',
          delta: { stop_reason, stop_sequence: null },
          ...(usage ? { usage: { output_tokens: counted.out } } : {}),
        } as { type: string }),
        event({ type: 'message_stop' }),
      ],
    }
  },

  openai: ({ pieces, think, tools, usage, end, model }) => {
    let sequence_number = 0
    const event = (type: string, data: object) =>
      `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: sequence_number++, ...data })}\n\n`
    const response = (status: string, more: object = {}) => ({
      id: 'resp_double',
      object: 'response',
      created_at: 0,
      status,
      model,
      output: [],
      error: null,
      incomplete_details: null,
      usage: null,
      ...more,
    })
    const counted = usage && {
      input_tokens: usage.in,
      input_tokens_details: { cached_tokens: usage.cacheRead ?? 0, cache_write_tokens: usage.cacheWrite ?? 0 },
      output_tokens: usage.out,
      output_tokens_details: { reasoning_tokens: usage.reasoning ?? 0 },
      total_tokens: usage.in + usage.out,
    }
    const cut = end === 'length' || end === 'filter'
    const calls = tools.map(({ id, name, args }, i) => ({
      type: 'function_call',
      id: `fc_${i}`,
      call_id: id ?? `call_double_${i}`,
      name,
      arguments: JSON.stringify(args),
    }))
    const said = [
      event('response.created', { response: response('in_progress') }),
      ...(think
        ? [event('response.reasoning_summary_text.delta', { item_id: 'rs_0', output_index: 0, summary_index: 0, delta: think })]
        : []),
      ...pieces.map((delta) =>
        event(end === 'refusal' ? 'response.refusal.delta' : 'response.output_text.delta', {
          item_id: 'msg_0',
          output_index: 0,
          content_index: 0,
          delta,
        }),
      ),
      ...calls.flatMap((item, i) => [
        event('response.output_item.added', { output_index: i + 1, item: { ...item, arguments: '' } }),
        event('response.function_call_arguments.delta', { item_id: item.id, output_index: i + 1, delta: item.arguments }),
        event('response.output_item.done', { output_index: i + 1, item }),
      ]),
    ]
    const done = cut
      ? event('response.incomplete', {
          response: response('incomplete', {
            usage: counted || null,
            incomplete_details: { reason: end === 'length' ? 'max_output_tokens' : 'content_filter' },
          }),
        })
      : event('response.completed', { response: response('completed', { usage: counted || null }) })
    return { said, last: [done] }
  },

  chat: ({ pieces, think, tools, usage, end, model }) => {
    const chunk = (choices: object[], more: object = {}) =>
      `data: ${JSON.stringify({ id: 'chatcmpl-double', object: 'chat.completion.chunk', created: 0, model, choices, ...more })}\n\n`
    const delta = (delta: object, finish_reason: string | null = null) => chunk([{ index: 0, delta, finish_reason }])
    const finish = end === 'length' ? 'length' : end === 'filter' ? 'content_filter' : tools.length ? 'tool_calls' : 'stop'
    return {
      said: [
        chunk([]),
        ...(think ? [delta({ reasoning_content: think })] : []),
        ...pieces.map((content) => delta(end === 'refusal' ? { refusal: content } : { content })),
        ...tools.flatMap(({ id = '', name, args }, index) => {
          const text = JSON.stringify(args)
          return [
            delta({ tool_calls: [{ index, id: id || `call_double_${index}`, type: 'function', function: { name, arguments: '' } }] }),
            delta({ tool_calls: [{ index, function: { arguments: text.slice(0, 3) } }] }),
            delta({ tool_calls: [{ index, function: { arguments: text.slice(3) } }] }),
          ]
        }),
      ],
      last: [
        delta({}, finish),
        ...(usage
          ? [
              chunk([], {
                usage: {
                  prompt_tokens: usage.in,
                  completion_tokens: usage.out,
                  total_tokens: usage.in + usage.out,
                  prompt_tokens_details: { cached_tokens: usage.cacheRead ?? 0 },
                  completion_tokens_details: { reasoning_tokens: usage.reasoning ?? 0 },
                },
              }),
            ]
          : []),
        'data: [DONE]\n\n',
      ],
    }
  },

  gemini: ({ pieces, think, tools, usage, end, model }) => {
    const chunk = (parts: object[], more: object = {}) =>
      `data: ${JSON.stringify({ candidates: [{ content: { parts, role: 'model' }, index: 0, ...more }], modelVersion: model })}\r\n\r\n`
    const counted = usage && {
      usageMetadata: {
        promptTokenCount: usage.in,
        candidatesTokenCount: usage.out - (usage.reasoning ?? 0),
        thoughtsTokenCount: usage.reasoning ?? 0,
        cachedContentTokenCount: usage.cacheRead ?? 0,
      },
    }
    const finishReason = end === 'length' ? 'MAX_TOKENS' : end === 'refusal' || end === 'filter' ? 'SAFETY' : 'STOP'
    return {
      said: [
        ...(think ? [chunk([{ text: think, thought: true }])] : []),
        ...pieces.map((text) => chunk([{ text }])),
        ...tools.map(({ name, args }, i) => chunk([{ functionCall: { name, args }, ...(i === 0 ? { thoughtSignature: 'c2ln' } : {}) }])),
      ],
      last: [
        `data: ${JSON.stringify({ candidates: [{ content: { parts: [{ text: '' }], role: 'model' }, finishReason, index: 0 }], ...(counted || {}), modelVersion: model })}\r\n\r\n`,
      ],
    }
  },

  ollama: ({ pieces, think, tools, usage, end, model }) => {
    const line = (message: object, more: object = {}) =>
      `${JSON.stringify({ model, created_at: '2026-11-20T00:00:00Z', message: { role: 'assistant', content: '', ...message }, done: false, ...more })}\n`
    return {
      said: [
        ...(think ? [line({ thinking: think })] : []),
        ...pieces.map((content) => line({ content })),
        ...tools.map(({ name, args }) => line({ tool_calls: [{ function: { name, arguments: args } }] })),
      ],
      last: [
        line(
          {},
          {
            done: true,
            done_reason: end === 'length' ? 'length' : 'stop',
            ...(usage ? { prompt_eval_count: usage.in, eval_count: usage.out } : {}),
          },
        ),
      ],
    }
  },
}

const overloaded = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }
const serverError = { error: { code: 'server_error', type: 'server_error', message: 'the server had an error' } }
const unavailable = { error: { code: 503, status: 'UNAVAILABLE', message: 'the model is overloaded' } }

export const bodyOf = {
  script: (wire: Wire, script: Script, model: string): Body => {
    const { text = 'Hello from the double.', think = '', tools = [], usage = { in: 12, out: 7 }, end = 'stop' } = script
    const silent = (tools.length > 0 && script.text === undefined) || ((end === 'refusal' || end === 'filter') && script.text === undefined)
    const pieces = silent
      ? end === 'refusal' && (wire === 'openai' || wire === 'chat')
        ? ['I cannot help with that.']
        : []
      : typeof text === 'string'
        ? (text.match(/\S+\s*/g) ?? [])
        : text
    return writers[wire]({ pieces, think, tools, usage, end, model })
  },

  malformed: (wire: Wire): string =>
    wire === 'ollama'
      ? '{"model":"x","message":{"role":"assistant","content":"bro\n'
      : wire === 'anthropic'
        ? 'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_de\n\n'
        : 'data: {"type":"response.output_text.delta","choices":[{"delta":{"content":"bro\n\n',

  errorEvent: (wire: Wire): string => {
    if (wire === 'anthropic') return `event: error\ndata: ${JSON.stringify(overloaded)}\n\n`
    if (wire === 'openai') return `event: error\ndata: ${JSON.stringify({ type: 'error', sequence_number: 9, ...serverError })}\n\n`
    if (wire === 'chat') return `data: ${JSON.stringify(serverError)}\n\n`
    if (wire === 'gemini') return `data: ${JSON.stringify(unavailable)}\r\n\r\n`
    return `${JSON.stringify({ error: 'the model runner has unexpectedly stopped' })}\n`
  },

  errors: (wire: Wire): object =>
    wire === 'anthropic'
      ? overloaded
      : wire === 'gemini'
        ? unavailable
        : wire === 'ollama'
          ? { error: 'the model runner has unexpectedly stopped' }
          : serverError,
}
