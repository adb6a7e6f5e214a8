/** How watchers hear a conversation. Speech, not state: what was missed is read from the store. */
export interface Frame {
  /** `tenant/actor`. */
  room: string
  name: string
  payload: object
  /** The piece of work that says this, where it is speech. */
  work?: string
  /** What nobody has said of a reply whose end comes next. */
  isRest?: true
}

/**
 * Frames of one room arrive in the order in which they were published, at every watcher. A watcher that throws harms
 * no other. What nobody watches is forgotten.
 */
export interface Bus {
  publish(frame: Frame): void
  /** Hears the room from now on, until the answer is called. */
  watch(room: string, hear: (frame: Frame) => void): () => void
  close(): Promise<void>
}

export const roomOf = (tenant: string, actor: string) => `${tenant}/${actor}`
