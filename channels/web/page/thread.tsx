/** The conversation. Follows its end only while the reader is there. */
import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import { statusOf } from '../status.ts'
import type { Transcript } from '../transcript.ts'
import { Answer } from './answer.tsx'
import { entriesOf } from './entries.ts'
import { Down } from './icons.tsx'
import { NoteLine } from './note.tsx'
import { Question } from './question.tsx'
import { StatusLine } from './status-line.tsx'

const NEAR = 64 // px from the end that still count as being there

export function Thread({ transcript: t }: { transcript: Transcript }) {
  const box = useRef<HTMLElement>(null)
  const following = useRef(true)
  const [behind, setBehind] = useState(false)
  const entries = entriesOf(t)
  const last = entries.at(-1)
  const ours = t.outgoing.at(-1)?.id

  const toEnd = () => {
    following.current = true
    setBehind(false)
    if (box.current) box.current.scrollTop = box.current.scrollHeight
  }
  const scrolled = () => {
    const { scrollTop, scrollHeight, clientHeight } = box.current!
    following.current = scrollHeight - scrollTop - clientHeight < NEAR
    if (following.current) setBehind(false)
  }
  useLayoutEffect(() => {
    if (following.current) toEnd()
    else setBehind(true)
  }, [t])
  // The composer grows, the keyboard opens, a block gets its colours: whoever was at the end stays there.
  useLayoutEffect(() => {
    const sizes = new ResizeObserver(() => following.current && toEnd())
    for (const node of [box.current, box.current?.firstElementChild]) if (node) sizes.observe(node)
    return () => sizes.disconnect()
  }, [])
  // What we say ourselves we want to see.
  useLayoutEffect(() => {
    if (ours) toEnd()
  }, [ours])

  const status = statusOf(t)
  const answered = entries.findLast((entry) => entry.kind === 'message' && entry.message.role === 'assistant')
  return (
    <main class="thread" ref={box} onScroll={scrolled} data-testid="thread">
      <div class="column" role="log" aria-live="polite" aria-relevant="additions" aria-label="Conversation">
        {entries.map((entry) => {
          switch (entry.kind) {
            case 'note':
              return <NoteLine key={entry.key} note={entry.note} last={entry === last && !status} />
            case 'outgoing':
              return (
                <Question
                  key={entry.key}
                  id={entry.key}
                  text={entry.message.text}
                  parts={entry.message.parts}
                  failed={entry.message.failed}
                  sending={entry.message.failed === undefined}
                />
              )
            case 'reply':
              return <Answer key={entry.key} transcript={t} text={entry.reply.text} turn={entry.reply.turn} />
            case 'message':
              return entry.message.role === 'user' ? (
                <Question key={entry.key} id={entry.message.id} text={entry.message.text} parts={entry.message.parts} />
              ) : (
                <Answer
                  key={entry.key}
                  transcript={t}
                  text={entry.message.text}
                  turn={entry.message.turn}
                  message={entry.message}
                  last={entry === answered && !t.reply}
                />
              )
          }
        })}
      </div>
      <div class="column foot">
        <StatusLine transcript={t} sentence={status} />
      </div>
      {behind && (
        <button type="button" class="to-end" onClick={toEnd} data-testid="to-end">
          <Down />
          new
        </button>
      )}
    </main>
  )
}
