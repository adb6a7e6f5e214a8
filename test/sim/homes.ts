/** Who is who in a simulated world, and where its conversations live. */

/** Of actors: enough that every node has some of them, and few, since a look that reads 1,024 of them takes a third of what a world costs. */
export const SHARDS = 32

export const chatId = (chat: number) => `00000000-0000-4000-8000-${String(chat).padStart(12, '0')}`

/** Of the node at this place. */
export const nameOf = (place: number) => `n${place + 1}`
