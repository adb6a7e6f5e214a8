/**
 * The model service, in a process of its own, so that what stalls the server does not stall it. It keeps its own journal: whose
 * answer was asked for, by which life of the server, and what it said. Every generation has words of its own.
 */
import { openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { type Fault, type Script, type SeenRequest, type Wire, providerDouble, wires } from '../support/provider.ts'
import { random } from '../support/random.ts'

/** One line of the double's journal. */
export interface Generation {
  world: string
  /** Which start of the server asked: it is told by the key. */
  life: number
  /** The message that is answered. */
  ref: string
  /** Numbers all generations; each word carries it. */
  number: number
  text: string
  /** Tokens that it bills for the words. */
  tokens: number
  /** The double itself did not let it end. */
  fault?: string
  at: number
}

/** What the double is told by its starter. */
export interface Manner {
  world: string
  /** How many calls of a hundred go wrong. */
  spoiled?: number
  /** Answers of about a megabyte. */
  long?: boolean
}

/** What it tells, once. */
export interface Ready {
  urls: Record<Wire, string>
}

const faults: [name: string, fault: Fault][] = [
  ['429', { status: 429, retryAfter: 0.2 }],
  ['500', { status: 500 }],
  ['hang before headers', 'hang before headers'],
  ['hang after headers', 'hang after headers'],
  ['hang', 'hang'],
  ['cut', 'cut'],
  ['eof', 'eof'],
  ['garbage', 'malformed'],
  ['error inside', 'error inside'],
  ['error as body', 'error as body'],
]

const [folder = '.', seed = '1'] = process.argv.slice(2)
const chance = random(Number(seed))
const manners = new Map<string, Manner>()
const files = new Map<string, number>()
let generations = 0

/** Sixty kilobytes: only what overflows the kernel's buffers ever waits in the server's. */
const filler = () => Array.from({ length: 9_000 }, () => chance.below(1_000_000)).join(' ')

/** Words that carry their generation and their place; here and there what is hard to cut: pairs of surrogates, marks, line ends. */
function piecesOf(number: number, long: boolean): string[] {
  const ornaments = ['', '', '', '', ' 🌊', ' é', ' “ebb”', '\n', ' 👩‍🚀', ' **flow**']
  const words = Array.from(
    { length: 4 + chance.below(28) },
    (_, at) => `g${number}w${at}${chance.pick(ornaments)} ${long ? `${filler()} ` : ''}`,
  )
  // A service that cuts by units and not by signs.
  return words.flatMap((word) => {
    const half = [...word].findIndex((sign) => sign.length === 2)
    if (half < 0 || chance.below(2)) return [word]
    const cut = [...word].slice(0, half).join('').length + 1
    return [word.slice(0, cut), word.slice(cut)]
  })
}

const commandingRoles = new Set(['system', 'developer'])
const commandKeys = new Set(['system', 'instructions', 'systemInstruction'])

/** What was said in the conversation: instructions have a brief of what came earlier, and stand behind it in some wires. */
const spokenIn = (body: unknown) =>
  JSON.stringify(body, (key, value: { role?: string } | undefined) =>
    commandKeys.has(key) || commandingRoles.has(value?.role ?? '') ? undefined : value,
  )

function answer({ headers, body, wire }: SeenRequest): Script {
  const key = headers.authorization ?? headers['x-api-key'] ?? headers['x-goog-api-key'] ?? ''
  const [, world = 'unknown', life = '0'] = /chaos-(\w+)-(\d+)/.exec(key) ?? []
  const ref = [...spokenIn(body).matchAll(/\(ref ([\w-]+)\)/g)].at(-1)?.[1] ?? 'unknown'
  const { spoiled = 0, long = false } = manners.get(world) ?? {}
  const [name, fault] = chance.below(100) < spoiled ? chance.pick(faults) : []
  const number = ++generations
  const text = piecesOf(number, long)
  const line: Generation = {
    world,
    life: Number(life),
    ref,
    number,
    text: text.join(''),
    tokens: text.length,
    ...(name && { fault: name }),
    at: Date.now(),
  }
  let file = files.get(world)
  if (file === undefined) files.set(world, (file = openSync(join(folder, `${world}.generations`), 'a')))
  writeSync(file, `${JSON.stringify(line)}\n`)
  double.requests.length = 0 // bodies with their histories would be kept for ever
  const bytes = !long && chance.below(40) === 0 && wire !== 'gemini' ? { writes: 11 } : {}
  return { text, pace: 15 + chance.below(20), usage: { in: 100, out: text.length }, ...bytes, ...(fault && { fault }) }
}

const double = await providerDouble({ answer })
process.on('message', (manner: Manner) => void manners.set(manner.world, manner))
process.on('disconnect', () => process.exit())
process.send?.({ urls: Object.fromEntries(wires.map((wire) => [wire, double.url(wire)])) } as Ready)
