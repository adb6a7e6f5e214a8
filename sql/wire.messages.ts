/** The few words of PostgreSQL's wire protocol that the embedded database has to say or to understand itself.
 *  A message is one letter, a length that counts itself, and a body; only the first message of a client has no letter. */

export interface Message {
  kind: string
  start: number
  end: number
}

const HEAD = 5

export const message = (kind: string, body: Uint8Array = Buffer.alloc(0)): Buffer => {
  const whole = Buffer.allocUnsafe(HEAD + body.length)
  whole.write(kind, 0, 'latin1')
  whole.writeInt32BE(4 + body.length, 1)
  whole.set(body, HEAD)
  return whole
}

/** Strings as the protocol wants them, each closed by a zero. */
export const strings = (...said: string[]): Buffer => Buffer.from(said.map((one) => `${one}\0`).join(''))

/** The whole messages at the start of `bytes`; a last one that is still incomplete is left out. */
export function* messages(bytes: Buffer): Generator<Message> {
  let start = 0
  while (bytes.length - start >= HEAD) {
    const end = start + 1 + bytes.readInt32BE(start + 1)
    if (end > bytes.length) return
    yield { kind: String.fromCharCode(bytes[start]!), start, end }
    start = end
  }
}

/** The name of the statement that a Parse message prepares; empty for the nameless one. */
export const nameOf = (bytes: Buffer, { start }: Message): string => bytes.toString('latin1', start + HEAD, bytes.indexOf(0, start + HEAD))

export const sync = message('S')
export const rollback = message('Q', strings('rollback'))
export const closing = (statement: string): Buffer => message('C', Buffer.concat([Buffer.from('S'), strings(statement)]))

/** `I` outside a transaction, `T` inside one, `E` inside one that has failed. */
export const ready = (status: string): Buffer => message('Z', Buffer.from(status))

export const failure = (code: string, why: string): Buffer => message('E', strings('SERROR', 'VERROR', `C${code}`, `M${why}`, ''))

/** Who may encrypt is asked before anything else. */
export const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])

export interface Complaint {
  severity: string
  code: string
  sentence: string
}

/** What an ErrorResponse says: fields of a letter and a string each. */
export function complaint(bytes: Buffer, { start, end }: Message): Complaint {
  const fields = bytes.toString('utf8', start + HEAD, end).split('\0')
  const field = (letter: string) => fields.find((one) => one.startsWith(letter))?.slice(1) ?? ''
  return { severity: field('V') || field('S'), code: field('C'), sentence: field('M') }
}

/** What a server says to a client that it lets in. No password is asked: who can call us is inside our process. */
export const welcome: Buffer = Buffer.concat([
  message('R', Buffer.alloc(4)),
  ...Object.entries({
    server_version: '18.6',
    server_encoding: 'UTF8',
    client_encoding: 'UTF8',
    DateStyle: 'ISO, MDY',
    TimeZone: 'UTC',
    integer_datetimes: 'on',
    standard_conforming_strings: 'on',
  }).map((setting) => message('S', strings(...setting))),
  message('K', Buffer.alloc(8)),
  ready('I'),
])

/** What postgres.js had ready for a connection that was lost, it sends ahead of its start-up on the next one.
 *  Only a start-up begins with a zero: the first byte of its length, where others have their letter. */
export function afterLeftovers(bytes: Buffer): Buffer {
  let start = 0
  for (const one of messages(bytes)) {
    if (one.kind === '\0') break
    start = one.end
  }
  return bytes.subarray(start)
}
