/** Arrays of SQL, as postgres.js takes and gives them. It can learn them from the server, by a query on every new
 *  connection; but when that one query fails, as it does on a connection that is lost while it is made, nobody hears the
 *  rejection and the process ends. PostgreSQL never changes these numbers, so they stand here. */
import type postgres from 'postgres'

type Codec = postgres.PostgresType
type Serialize = (value: never) => string
type Parse = (text: string) => unknown

interface Element {
  /** The type's number and its array's. */
  oids: [number, number][]
  serialize?: Serialize
  parse?: Parse
}

const stamp = (value: Date | string | number): string => new Date(value).toISOString()

/** Of the types that have arrays worth having; what is not here is given as its text. */
export const elements = (whole: Parse): Element[] => [
  {
    oids: [
      [25, 1009],
      [1043, 1015],
      [1042, 1014],
      [19, 1003],
      [2950, 2951],
      [1700, 1231],
      [869, 1041],
      [1186, 1187],
    ],
  }, // text and its like
  {
    oids: [
      [21, 1005],
      [23, 1007],
      [26, 1028],
      [700, 1021],
      [701, 1022],
    ],
    parse: Number,
  },
  { oids: [[20, 1016]], parse: whole },
  { oids: [[16, 1000]], parse: (text) => text === 't', serialize: (value) => (value ? 't' : 'f') },
  {
    oids: [
      [114, 199],
      [3802, 3807],
    ],
    parse: (text) => JSON.parse(text),
    serialize: (value) => JSON.stringify(value),
  },
  {
    oids: [
      [1082, 1182],
      [1114, 1115],
      [1184, 1185],
    ],
    parse: (text) => new Date(text),
    serialize: stamp,
  },
  {
    oids: [[17, 1001]],
    parse: (text) => Buffer.from(text.slice(2), 'hex'),
    serialize: (value) => `\\x${Buffer.from(value).toString('hex')}`,
  },
]

/** One entry of postgres.js' `types` for each kind of element. */
export const arrays = (all: Element[]): Record<string, Codec> =>
  Object.fromEntries(
    all.map(({ oids, parse, serialize }) => {
      const numbers = oids.map(([, array]) => array)
      return [
        `array${numbers[0]}`,
        {
          to: numbers[0]!,
          from: numbers,
          parse: (text: string) => parseArray(text, parse),
          serialize: (value: unknown) => serializeArray(value, serialize as (value: unknown) => string),
        },
      ]
    }),
  )

/** `{a,"b c",null,{nested}}` as an array. */
export function parseArray(text: string, parse: Parse = (one) => one): unknown[] {
  let at = text.indexOf('{') // an array that does not begin at 1 says so first: [0:2]={…}
  const list = (): unknown[] => {
    const items: unknown[] = []
    at++
    while (text[at] !== '}') {
      if (text[at] === ',') at++
      items.push(text[at] === '{' ? list() : text[at] === '"' ? parse(quoted()) : bare())
    }
    at++
    return items
  }
  const quoted = (): string => {
    const from = ++at
    while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1
    return text.slice(from, at++).replace(/\\(.)/gs, '$1')
  }
  const bare = (): unknown => {
    const from = at
    while (text[at] !== ',' && text[at] !== '}') at++
    const item = text.slice(from, at)
    return item === 'NULL' ? null : parse(item)
  }
  return list()
}

/** Text is taken for an array that is already written. Numbers stand bare: a node asks for a thousand of its shards again and again. */
export function serializeArray(value: unknown, serialize?: (value: unknown) => string): string {
  if (!Array.isArray(value)) return String(value)
  const items = value.map((item) => {
    if (Array.isArray(item)) return serializeArray(item, serialize)
    if (item === null || item === undefined) return 'null'
    if (serialize === undefined && typeof item === 'number') return item
    return `"${(serialize ?? String)(item).replace(/[\\"]/g, '\\$&')}"`
  })
  return `{${items.join(',')}}`
}
