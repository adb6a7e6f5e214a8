/** What was typed and not sent, per conversation. */
import { keeping } from './keeping.ts'

const keyOf = (conversation: string | undefined): string => `nexus.draft.${conversation ?? 'new'}`

export const draftOf = (conversation: string | undefined): string => keeping.getItem(keyOf(conversation)) ?? ''

export function keepDraft(conversation: string | undefined, text: string): void {
  if (text === '') keeping.removeItem(keyOf(conversation))
  else keeping.setItem(keyOf(conversation), text)
}
