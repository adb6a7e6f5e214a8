/** A model service that says a word now and then until nobody listens any more, and knows when that was. */
import { providerDouble } from '../support/provider.ts'
import { wordAt } from './double.words.ts'
import { microseconds, serve } from './worker.ts'

const words = Array.from({ length: 2_000 }, (_, at) => wordAt(at))
/** When a call was hung up, by the mark in its question. */
const hungUp = new Map<string, number>()

const double = await providerDouble({
  answer(request) {
    const mark = /mark-[0-9a-f-]{36}/.exec(JSON.stringify(request.body))?.[0]
    if (mark) void request.hangUp.then(() => hungUp.set(mark, microseconds()))
    return { text: words, pace: 100 }
  },
})

serve({
  settings: () => ({ OPENAI_API_KEY: 'key', OPENAI_BASE_URL: double.url('openai') }),
  hungUp: (mark: string) => hungUp.get(mark),
})
