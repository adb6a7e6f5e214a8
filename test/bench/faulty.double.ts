/** A model service of which every third call goes wrong, and which keeps its own books of what it said and would have billed. */
import { type Fault, providerDouble, type Script, type SeenRequest } from '../support/provider.ts'
import { wires } from '../support/provider.wire.ts'
import { random } from '../support/random.ts'
import { replyTo } from './faulty.replies.ts'
import { serve } from './worker.ts'

export interface Books {
  calls: number
  /** How often each way of going wrong was taken. */
  faults: Record<string, number>
  /** In prices of one token that is read; one that is written costs five times as much, as it does everywhere. */
  spent: number
  /** The part of it that went for words that were cut off. */
  wasted: number
}

const WRITTEN = 5
const LETTERS = 4 // of one token

let chance = random(1)
let share = 0
let books: Books = { calls: 0, faults: {}, spent: 0, wasted: 0 }

/** Each message bears its number, and those of one person rise: the highest is to be answered, wherever the wire puts it. */
const numberOf = ({ body }: SeenRequest) =>
  Math.max(0, ...Array.from(JSON.stringify(body).matchAll(/message no\. (\d+)/g), ([, n]) => Number(n)))

const part = (text: string[]) => text.slice(0, Math.ceil(chance.next() * text.length))

/** What goes wrong: its name, what is said before, and how it ends. */
const ways: ((text: string[]) => { name: string; said: string[]; fault: Fault })[] = [
  () => ({ name: '429', said: [], fault: { status: 429, retryAfter: 1 } }),
  () => ({ name: '500', said: [], fault: { status: 500 } }),
  (text) => {
    const where = chance.next()
    if (where < 1 / 3) return { name: 'hang', said: [], fault: 'hang before headers' }
    return where < 2 / 3
      ? { name: 'hang', said: [], fault: 'hang after headers' }
      : { name: 'hang in mid-stream', said: part(text), fault: 'hang' }
  },
  (text) => ({ name: 'cut in mid-stream', said: part(text), fault: 'cut' }),
  (text) => {
    const where = chance.next()
    if (where < 1 / 3) return { name: 'garbage', said: [], fault: 'error as body' }
    return where < 2 / 3
      ? { name: 'garbage', said: [], fault: 'malformed' }
      : { name: 'garbage in mid-stream', said: part(text), fault: 'malformed' }
  },
]

function answer(request: SeenRequest): Script {
  const text = replyTo(numberOf(request))
  books.calls++
  const way = chance.next() < share ? chance.pick(ways)(text) : undefined
  const said = way ? way.said : text
  if (way) books.faults[way.name] = (books.faults[way.name] ?? 0) + 1
  // A call that never said a word is not billed.
  const price = said.length > 0 ? (JSON.stringify(request.body).length + WRITTEN * said.join('').length) / LETTERS : 0
  books.spent += price
  if (way) books.wasted += price
  return { text: said, pace: 2, ...(way && { fault: way.fault }) }
}

const double = await providerDouble({ answer })

serve({
  urls: () => Object.fromEntries(wires.map((wire) => [wire, double.url(wire)])),
  begin: (next: number) => {
    chance = random(20_261_121)
    share = next
    books = { calls: 0, faults: {}, spent: 0, wasted: 0 }
  },
  books: () => books,
})
