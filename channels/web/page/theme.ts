/** Light, dark, or as the system has it. `theme.js` applies the choice before the first paint. */
import { signal } from '@preact/signals'
import { keeping } from './keeping.ts'

export const themes = ['system', 'light', 'dark'] as const
export type Theme = (typeof themes)[number]

export const theme = signal<Theme>(themes.find((name) => name === keeping.getItem('nexus.theme')) ?? 'system')

export function nextTheme(): void {
  const next = themes[(themes.indexOf(theme.value) + 1) % themes.length] ?? 'system'
  theme.value = next
  keeping.setItem('nexus.theme', next)
  if (next === 'system') delete document.documentElement.dataset['theme']
  else document.documentElement.dataset['theme'] = next
}
