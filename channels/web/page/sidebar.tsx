import { useEffect, useRef } from 'preact/hooks'
import { chats, forget } from './chats.ts'
import { Cross, Plus } from './icons.tsx'
import { addressOf, go } from './route.ts'

interface Props {
  current: string | undefined
  /** It lies over the conversation, as on a phone: then the focus belongs in here. */
  over: boolean
  close: () => void
  chosen: () => void
}

export function Sidebar({ current, over, close, chosen }: Props) {
  const first = useRef<HTMLButtonElement>(null)
  useEffect(() => {
    if (over) first.current?.focus()
  }, [over])
  const begin = () => {
    go(undefined)
    chosen()
    document.getElementById('composer')?.focus()
  }
  return (
    <>
      <div class="scrim" onClick={close} />
      <nav class="side" aria-label="Conversations" onKeyDown={(event) => event.key === 'Escape' && close()}>
        <div class="side-head">
          <button type="button" class="new" ref={first} onClick={begin} data-testid="new-chat">
            <Plus />
            New chat
          </button>
          <button type="button" class="tool side-close" aria-label="Close the list" onClick={close}>
            <Cross />
          </button>
        </div>
        {chats.value.length === 0 && (
          <p class="side-empty">Your conversations will be listed here. They are remembered in this browser only.</p>
        )}
        <ul class="chats">
          {chats.value.map(({ id, title, at }) => (
            <li key={id} class={id === current ? 'chat current' : 'chat'}>
              <a href={addressOf(id)} aria-current={id === current ? 'page' : undefined} onClick={chosen}>
                <span class="chat-title" dir="auto">
                  {title}
                </span>
                <time dateTime={new Date(at).toISOString()}>{when(at)}</time>
              </a>
              <button type="button" class="tool small" aria-label={`Remove “${title}” from this list`} onClick={() => forget(id)}>
                <Cross />
              </button>
            </li>
          ))}
        </ul>
      </nav>
    </>
  )
}

const day = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' })
const hour = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })
const when = (at: number): string => (new Date(at).toDateString() === new Date().toDateString() ? hour : day).format(at)
