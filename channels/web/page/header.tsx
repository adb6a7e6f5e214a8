import { line } from './session.ts'
import { Half, Mark, Moon, Panel, Sun } from './icons.tsx'
import { nextTheme, theme } from './theme.ts'

const words = { connecting: 'Connecting', live: 'Live', reconnecting: 'Reconnecting', refused: 'Not connected' } as const
const pictures = { system: Half, light: Sun, dark: Moon } as const

export function Header({ name, sideOpen, toggleSide }: { name: string; sideOpen: boolean; toggleSide: () => void }) {
  const Picture = pictures[theme.value]
  return (
    <header class="header">
      <button type="button" class="tool" aria-label="Conversations" aria-expanded={sideOpen} onClick={toggleSide} data-testid="side-toggle">
        <Panel />
      </button>
      <h1 class="name">
        <Mark />
        <span class="name-text" dir="auto">
          {name}
        </span>
        <span class="ai" title="You are talking to an artificial intelligence">
          AI
        </span>
      </h1>
      <LineState />
      <button
        type="button"
        class="tool"
        aria-label={`Theme: ${theme.value}. Change`}
        title={`Theme: ${theme.value}`}
        onClick={nextTheme}
        data-testid="theme"
      >
        <Picture />
      </button>
    </header>
  )
}

/** A short hiccup is not worth a word; colour alone never says it either. */
function LineState() {
  const { state, late } = line.value
  const shown = state === 'reconnecting' && !late ? 'live' : state
  return (
    <span class={`line ${shown}`} data-testid="line" data-state={state}>
      {words[shown]}
    </span>
  )
}
