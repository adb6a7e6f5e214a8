/** Whether we are connected, as a reader should hear of it: a short hiccup stays silent. */
interface Watched {
  on(event: 'connect' | 'disconnect' | 'connect_error', heard: () => void): unknown
}

export interface Line {
  state: 'connecting' | 'live' | 'reconnecting' | 'refused'
  /** Down for so long that it is worth saying. */
  late: boolean
  /** Why the server would not have us. */
  reason?: string
}

export interface LineWatch {
  readonly now: Line
  /** The conversation let us in, so an earlier refusal is over. */
  admitted(): void
  refused(reason: string): void
  close(): void
}

export function watchLine(socket: Watched, grace: number, changed: () => void): LineWatch {
  let now: Line = { state: 'connecting', late: false }
  let due: ReturnType<typeof setTimeout> | undefined
  const become = (next: Line) => {
    now = next
    changed()
  }
  const waitToSay = () => {
    due ??= setTimeout(() => become({ ...now, late: true }), grace)
  }
  const up = () => {
    clearTimeout(due)
    due = undefined
    become({ state: 'live', late: false })
  }
  waitToSay()
  socket.on('connect', up)
  socket.on('disconnect', () => {
    waitToSay()
    become({ state: 'reconnecting', late: now.late })
  })
  return {
    get now() {
      return now
    },
    admitted: () => {
      if (now.state !== 'live') up()
    },
    refused: (reason) => become({ state: 'refused', late: true, reason }),
    close: () => clearTimeout(due),
  }
}
