/** Where the person writes. The focus stays here: after sending, after stopping, after choosing a conversation. */
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { Transcript } from '../transcript.ts'
import { about } from './about.ts'
import { draftOf, keepDraft } from './drafts.ts'
import { Send, Stop } from './icons.tsx'
import { send, stop, transcript, typing } from './session.ts'

const isBusy = (t: Transcript | undefined): boolean => t?.current !== undefined || t?.reply !== undefined

const touch = matchMedia('(pointer: coarse)')

export function Composer({ conversation }: { conversation: string | undefined }) {
  const field = useRef<HTMLTextAreaElement>(null)
  const [text, setText] = useState(() => draftOf(conversation))
  const { value: t } = transcript
  const busy = isBusy(t)
  const ready = text.trim() !== ''

  const shown = useRef(conversation)
  useLayoutEffect(() => {
    if (shown.current !== conversation) setText(draftOf(conversation))
    shown.current = conversation
  }, [conversation])
  useEffect(() => {
    if (!touch.matches) field.current?.focus() // on a phone it would raise the keyboard over what one came to read
  }, [])
  useLayoutEffect(() => {
    const { current: area } = field
    if (!area) return
    area.style.height = 'auto'
    area.style.height = `${area.scrollHeight}px` // the style sheet holds it to eight lines
  }, [text])
  useEffect(() => {
    const escape = (event: KeyboardEvent) => {
      if (event.key === 'Escape' && !event.isComposing && !event.defaultPrevented && isBusy(transcript.peek())) stop()
    }
    addEventListener('keydown', escape)
    return () => removeEventListener('keydown', escape)
  }, [])

  const change = (next: string) => {
    setText(next)
    keepDraft(conversation, next)
    typing(next !== '')
  }
  const submit = () => {
    if (!ready) return
    setText('')
    keepDraft(conversation, '')
    send(text.trim())
    field.current?.focus()
  }
  const press = () => {
    if (busy && !ready) stop()
    else submit()
    field.current?.focus()
  }
  const key = (event: KeyboardEvent) => {
    if (event.isComposing) return // Enter chooses a candidate of the input method
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault()
      submit()
    } else if (event.key === 'ArrowUp' && text === '') recall(event)
  }
  const recall = (event: KeyboardEvent) => {
    const last = t?.outgoing.at(-1)?.text ?? t?.messages.findLast(({ role }) => role === 'user')?.text
    if (last === undefined) return
    event.preventDefault()
    change(last)
  }
  // While a reply runs the button stops it; with something written it sends, for the next turn is already on one's mind.
  const stops = busy && !ready
  return (
    <form class="composer" onSubmit={(event) => event.preventDefault()} aria-label="Message">
      <div class="field">
        <textarea
          id="composer"
          ref={field}
          rows={1}
          dir="auto"
          value={text}
          placeholder={`Message ${about.value.name}`}
          aria-label={`Message ${about.value.name}`}
          enterkeyhint="send"
          autocomplete="off"
          onInput={(event) => change(event.currentTarget.value)}
          onKeyDown={key}
          onBlur={() => typing(false)}
          data-testid="composer"
        />
        <button
          type="button"
          class={stops ? 'go stop' : 'go'}
          aria-label={stops ? 'Stop' : 'Send'}
          title={stops ? 'Stop (Esc)' : 'Send (Enter)'}
          disabled={!stops && !ready}
          onClick={press}
          data-testid={stops ? 'stop' : 'send'}
        >
          {stops ? <Stop /> : <Send />}
        </button>
      </div>
      <p class="hint">
        {about.value.offline ? 'Offline stand-in: answers are quoted, not composed.' : 'Answers come from an AI and can be wrong.'}
      </p>
    </form>
  )
}
