/** An actor of one tenant, and the room in which its watchers hear of it. */
export interface Place {
  readonly tenant: string
  readonly actor: string
}

export const placeOf = (room: string): Place => {
  const at = room.indexOf('/')
  return { tenant: room.slice(0, at), actor: room.slice(at + 1) }
}
