/** The address holds the conversation: `#/c/<uuid>`, so a reload, a bookmark and a second tab find it. */
const pattern = /^#\/c\/([0-9a-f-]{36})$/i

export const route = (): string | undefined => pattern.exec(location.hash)?.[1]

export const addressOf = (conversation: string): string => `#/c/${conversation}`

export function go(conversation: string | undefined): void {
  if (route() !== conversation) location.hash = conversation === undefined ? '#/' : addressOf(conversation)
}

export const watchRoute = (changed: () => void): void => addEventListener('hashchange', changed)
