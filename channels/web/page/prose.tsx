/** Text with Markdown, block by block: a block that has not changed is not touched, so a long answer streams as cheaply as a short one. */
import { memo } from 'preact/compat'
import { useEffect, useMemo, useRef } from 'preact/hooks'
import { copy } from './copy.ts'
import { linkReferences } from './references.ts'
import { loadHighlighter, rich } from './rich.ts'

interface Props {
  text: string
  finished: boolean
  /** How many sources its `[n]` may name, and what opens one. */
  sources?: number
  open?: (source: number) => void
}

export function Prose({ text, finished, sources = 0, open }: Props) {
  const { value: tools } = rich
  const read = useMemo(() => tools?.prose(), [tools])
  if (!tools || !read)
    return (
      <p class="prose plain" dir="auto">
        {text}
      </p>
    )
  const blocks = read(text, finished)
  return (
    <div
      class="prose"
      onClick={(event) => {
        copyCode(event)
        follow(event, open)
      }}
    >
      {blocks.map((html, i) => (
        <Block key={i} html={html} wall={tools.wall} closed={finished || i < blocks.length - 1} sources={finished ? sources : 0} />
      ))}
    </div>
  )
}

interface BlockProps {
  html: string
  wall: (html: string) => string
  closed: boolean
  sources: number
}

const Block = memo(({ html, wall, closed, sources }: BlockProps) => {
  const node = useRef<HTMLDivElement>(null)
  const clean = useMemo(() => wall(html), [html, wall])
  useEffect(() => {
    if (closed && node.current) void colour(node.current)
  }, [clean, closed])
  useEffect(() => {
    if (sources > 0 && node.current) linkReferences(node.current, sources)
  }, [clean, sources])
  return <div class="block" ref={node} dangerouslySetInnerHTML={{ __html: clean }} />
})

async function colour(block: HTMLElement): Promise<void> {
  for (const code of block.querySelectorAll<HTMLElement>('code[data-language]:not([data-language=""])')) {
    if (code.dataset['coloured']) continue
    const { highlight } = await loadHighlighter()
    const html = highlight(code.textContent ?? '', code.dataset['language'] ?? '')
    if (html === undefined) continue
    code.innerHTML = html // every character of the code is escaped by the highlighter
    code.dataset['coloured'] = 'yes'
  }
}

function follow(event: MouseEvent, open: Props['open']): void {
  const reference = event.target instanceof Element ? event.target.closest<HTMLElement>('[data-reference]') : null
  if (reference) open?.(Number(reference.dataset['reference']) - 1)
}

/** One listener for all code blocks: their buttons come as HTML and cannot carry their own. */
function copyCode(event: MouseEvent): void {
  const button = event.target instanceof Element ? event.target.closest<HTMLElement>('[data-copy="code"]') : null
  const code = button?.closest('.code')?.querySelector('code')?.textContent
  if (!button || code === undefined || code === null) return
  void copy(code).then((done) => {
    button.textContent = done ? 'Copied' : 'Not copied'
    setTimeout(() => (button.textContent = 'Copy'), 1_600)
  })
}
