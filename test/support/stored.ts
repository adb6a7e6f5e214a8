/** A row of `messages`, as checkers read it. */
export interface StoredMessage {
  conversation: string
  seq: number
  id: string
  role: string
  text: string
  turn: string | null
}
