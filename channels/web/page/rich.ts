/** The renderer comes in a piece of its own, behind the first paint; until it is here, text shows as plain text. */
import { signal } from '@preact/signals'
import type { Prose } from '../markdown.ts'

export interface Rich {
  prose: () => Prose
  wall: (html: string) => string
}

export const rich = signal<Rich | undefined>(undefined)

export async function loadRich(): Promise<void> {
  const [{ prose }, { wall }] = await Promise.all([import('../markdown.ts'), import('../wall.ts')])
  rich.value = { prose, wall }
}

let loading: Promise<typeof import('../highlight.ts')> | undefined
export const loadHighlighter = (): Promise<typeof import('../highlight.ts')> => (loading ??= import('../highlight.ts'))
