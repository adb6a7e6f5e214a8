import { useEffect, useRef } from 'preact/hooks'
import type { Citation } from '../../../runtime/gateway/protocol.ts'
import { Cross } from './icons.tsx'

/** Where the answer comes from: numbered chips, each opening what was read. */
interface Props {
  citations: Citation[]
  /** Which one is open; the numbers in the text open them too. */
  open: number | undefined
  setOpen: (source: number | undefined) => void
}

export function Citations({ citations, open, setOpen }: Props) {
  const box = useRef<HTMLDivElement>(null)
  useEffect(() => {
    if (open === undefined) return
    const outside = ({ target }: Event) => {
      if (target instanceof Node && !box.current?.contains(target)) setOpen(undefined)
    }
    addEventListener('pointerdown', outside)
    return () => removeEventListener('pointerdown', outside)
  }, [open])
  const close = (event: KeyboardEvent) => {
    if (event.key !== 'Escape' || open === undefined) return
    event.stopPropagation()
    setOpen(undefined)
  }
  const shown = open === undefined ? undefined : citations[open]
  return (
    <div class="citations" ref={box} onKeyDown={close}>
      <ul aria-label="Sources">
        {citations.map(({ id, title }, i) => (
          <li key={id}>
            <button
              type="button"
              class="chip"
              aria-expanded={open === i}
              onClick={() => setOpen(open === i ? undefined : i)}
              data-testid="citation"
            >
              <span class="chip-number">{i + 1}</span>
              <span class="chip-title" dir="auto">
                {title}
              </span>
            </button>
          </li>
        ))}
      </ul>
      {shown && <Source citation={shown} close={() => setOpen(undefined)} />}
    </div>
  )
}

function Source({ citation: { title, quote, url, score }, close }: { citation: Citation; close: () => void }) {
  const node = useRef<HTMLDivElement>(null)
  useEffect(() => node.current?.scrollIntoView({ block: 'nearest' }), [title])
  return (
    <div class="source" ref={node} role="dialog" aria-label={title} data-testid="source">
      <p class="source-title" dir="auto">
        {title}
      </p>
      {quote && <blockquote dir="auto">{quote}</blockquote>}
      <p class="source-foot">
        {url && /^https?:\/\//i.test(url) && (
          <a href={url} target="_blank" rel="noopener nofollow">
            {new URL(url).hostname}
          </a>
        )}
        {score !== undefined && <span>{Math.round(score * 100)} % match</span>}
      </p>
      <button type="button" class="tool small source-close" aria-label="Close" onClick={close}>
        <Cross />
      </button>
    </div>
  )
}
