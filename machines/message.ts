/** What people, agents and operators say to each other. Every room and every client shares these shapes. */

export type Role = 'user' | 'assistant' | 'operator' | 'system'

/** A piece of a message that is not its text. Bytes never travel in an event: `url` or an id names them. */
export interface Part {
  type: 'image' | 'audio' | 'file'
  url?: string
  name?: string
  mime?: string
}

/** Where a statement comes from: a chunk of a document, and how well it fitted (0 to 1). */
export interface Citation {
  id: string
  title: string
  quote?: string
  url?: string
  score?: number
}

export interface Message {
  /** The sender's own id, unique within its conversation. */
  id: string
  /** Place among the durable events of the conversation, from 1, without gaps. */
  seq: number
  role: Role
  text: string
  parts?: Part[]
  /** The turn that answers this message, or that this message answers. */
  turn?: string
  agent?: string
  citations?: Citation[]
  /** Milliseconds since 1970, from the clock of the node that accepted it. */
  at: number
}

/** Tokens as the provider billed them; `estimated` when it fell silent before it told. */
export interface Usage {
  in: number
  out: number
  cacheRead?: number
  cacheWrite?: number
  reasoning?: number
  estimated?: true
}

/** US dollars; `'unknown'` where no price is known, which is an answer and not zero. */
export type Cost = number | 'unknown'
