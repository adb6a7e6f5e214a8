/** What of a finished reply has not been said aloud. */
interface Finished {
  turn?: string
  attempt?: number
  message?: unknown
}

/** The missing end of the text, as a delta; undefined when everything was said, or something else was. */
export function restOf(live: { turn: string; attempt: number; text: string } | undefined, finished: object) {
  const { turn, attempt, message } = finished as Finished
  const text = typeof message === 'object' && message !== null ? (message as { text?: string }).text : undefined
  if (!turn || attempt === undefined || text === undefined) return undefined
  const said = live && live.turn === turn && live.attempt === attempt ? live.text : ''
  if (said.length >= text.length || !text.startsWith(said)) return undefined
  return { turn, attempt, offset: said.length, text: text.slice(said.length) }
}
