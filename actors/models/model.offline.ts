/** Answers when no model is configured: only with sentences that stand in the knowledge, and saying so. */
import { type Clock, pause, systemClock } from './clock.ts'
import { count, countRequest } from './count.ts'
import { honest } from './honest.ts'
import type { ModelEvent, ModelRequest, Provider } from './model.ts'
import { bestSentences, isChinese } from './quote.ts'

export interface OfflinePace {
  /** So that a person sees it stream. 0 sends without waiting. */
  tokensPerSecond?: number | undefined
  clock?: Clock
}

const MODEL = 'offline-extractive'

export const offlineModel = ({ tokensPerSecond = 60, clock = systemClock }: OfflinePace = {}): Provider => ({
  name: 'offline',
  stream: (request, { signal }) => honest(read(request, { signal, tokensPerSecond, clock }), { signal }),
})

interface Reading {
  signal: AbortSignal
  tokensPerSecond: number
  clock: Clock
}

async function* read(request: ModelRequest, { signal, tokensPerSecond, clock }: Reading): AsyncGenerator<ModelEvent> {
  yield { t: 'start', provider: 'offline', model: MODEL }
  if (request.json) {
    return yield { t: 'fail', kind: 'badreq', message: 'the offline stand-in can quote, and cannot fill in a form', partial: false }
  }
  let out = 0
  for (const part of answerTo(request)) {
    if (typeof part !== 'string') {
      yield part
      continue
    }
    for (const [piece] of part.matchAll(FEW_WORDS)) {
      const tokens = count(piece)
      out += tokens
      if (tokensPerSecond > 0 && !(await pause(clock, (tokens * 1000) / tokensPerSecond, signal))) return
      yield { t: 'text', d: piece }
    }
  }
  yield { t: 'usage', usage: { in: countRequest(request), out } }
  yield { t: 'end', reason: 'stop', raw: 'quoted' }
}

/** Three words, or four Chinese characters with the signs that follow them. */
const FEW_WORDS = /\p{Script=Han}{1,4}[^\p{Script=Han}\s\p{L}\p{N}]*\s*|(?:[^\s\p{Script=Han}]+\s*){1,3}|\s+/gu

function* answerTo({ messages, passages = [] }: ModelRequest): Generator<string | ModelEvent> {
  const question = messages.findLast((message) => message.role === 'user')?.text ?? ''
  const say = isChinese(question) ? chinese : english
  const greeting = greetings.find(({ is }) => is.test(question.trim()))
  if (greeting) return yield `${say[greeting.kind]}${say.whoIAm}`

  const quotes = bestSentences(question, passages)
  if (quotes.length === 0) return yield say.nothingFits
  yield say.onlyQuotes
  const sources: string[] = []
  for (const { passage, sentence } of quotes) {
    if (!sources.includes(passage.id)) sources.push(passage.id)
    const { text: _, ...citation } = passage
    yield { t: 'cite', citation: { ...citation, quote: sentence } }
    yield `\n\n${say.quoted(sentence)} [${sources.indexOf(passage.id) + 1}]`
  }
}

type Greeting = 'hello' | 'thanks' | 'bye' | 'asked'

/** The whole message must be small talk: "hello, how do I …" is a question. */
const greetings: { kind: Greeting; is: RegExp }[] = [
  {
    kind: 'hello',
    is: /^(hi|hello|hey|hiya|good (morning|afternoon|evening|day)|你好|您好|嗨|早上好|下午好|晚上好|大家好)(,? [\p{Script=Latin}]+){0,2}[\s!.,。！，~]*(how are you( doing)?( today)?|how is it going|你好吗)?[\s!.。！~?？]*$/iu,
  },
  { kind: 'hello', is: /^(how are you( doing)?( today)?|how is it going|what's up|你好吗|最近怎么样)[\s!.。！?？]*$/i },
  { kind: 'thanks', is: /^(thanks|thank you|thx|cheers|谢谢|多谢|感谢)( you| a lot| so much| very much|你|您|了)?[\s!.。！~]*$/i },
  { kind: 'bye', is: /^(bye|goodbye|good night|see you|再见|拜拜|晚安)( later| soon)?[\s!.。！~]*$/i },
  {
    kind: 'asked',
    is: /^(who|what) are you[\s?？!.]*$|^what can you do( for me)?[\s?？!.]*$|^help[\s?？!.]*$|^(你是谁|你是什么|你能做什么|你会什么|帮助)[\s?？!。]*$/i,
  },
]

const english = {
  hello: 'Hello. ',
  thanks: 'You are welcome. ',
  bye: 'Goodbye. ',
  asked: '',
  whoIAm:
    'I am the offline stand-in: no language model is configured. I can quote sentences from the knowledge that share words with your question, and nothing more.',
  nothingFits: 'I am the offline stand-in: no language model is configured, and nothing in the knowledge fits this question.',
  onlyQuotes: 'I am the offline stand-in: no language model is configured. This is what the knowledge says, word for word:',
  quoted: (sentence: string) => `“${sentence}”`,
}

const chinese: typeof english = {
  hello: '你好。',
  thanks: '不客气。',
  bye: '再见。',
  asked: '',
  whoIAm: '我是离线替身：没有配置语言模型。我只能从知识库中引用与你的问题用词相同的原句，除此之外什么也做不了。',
  nothingFits: '我是离线替身：没有配置语言模型，知识库中也没有与这个问题相符的内容。',
  onlyQuotes: '我是离线替身：没有配置语言模型。以下是知识库中的原文：',
  quoted: (sentence: string) => `「${sentence}」`,
}
