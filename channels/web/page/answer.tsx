import { useState } from 'preact/hooks'
import type { Message } from '../../../runtime/gateway/protocol.ts'
import { answeredBy, nameOf, remarksOf } from '../status.ts'
import type { Transcript } from '../transcript.ts'
import { Citations } from './citations.tsx'
import { CopyButton } from './copy-button.tsx'
import { Again } from './icons.tsx'
import { Prose } from './prose.tsx'
import { retry } from './session.ts'

interface Props {
  transcript: Transcript
  text: string
  turn?: string | undefined
  /** Absent while it is being written. */
  message?: Message
  /** The newest answer: it can be asked for again. */
  last?: boolean
}

/** What the assistant, or a person in its place, said or is saying. */
export function Answer({ transcript, text, turn, message, last = false }: Props) {
  const streaming = message === undefined
  const [source, open] = useState<number>()
  const citations = message?.citations ?? []
  const remarks = remarksOf(turn === undefined ? undefined : transcript.turns[turn])
  const writing = turn === undefined ? undefined : transcript.turns[turn]?.agent
  const agent = message?.agent ?? (streaming && writing !== 'admin' && writing !== 'qa' ? writing : undefined)
  const role = message?.role ?? 'assistant'
  return (
    <article
      class={`answer ${role}`}
      aria-busy={streaming}
      aria-live={streaming ? 'off' : undefined}
      data-testid="answer"
      data-streaming={streaming}
    >
      <h3 class="unseen">{role === 'operator' ? (message?.agent ?? 'A person') : agent ? nameOf(agent) : 'Assistant'}</h3>
      {role === 'operator' && <p class="person">{message?.agent ?? transcript.operator ?? 'A person'}</p>}
      <Prose text={text} finished={!streaming} sources={citations.length} open={open} />
      {citations.length > 0 && <Citations citations={citations} open={source} setOpen={open} />}
      {message && role === 'assistant' && (
        <footer class="meta">
          <CopyButton text={text} />
          {last && (
            <button type="button" class="tool small" aria-label="Ask again" title="Ask again" onClick={retry} data-testid="retry">
              <Again />
            </button>
          )}
          <span class="by" data-testid="answered-by">
            {[answeredBy(transcript, message), ...remarks].join(' · ')}
          </span>
        </footer>
      )}
    </article>
  )
}
