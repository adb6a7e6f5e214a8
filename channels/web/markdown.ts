/** Markdown as it streams: only the last block is parsed again, what lies before it is done for good. */
import MarkdownIt from 'markdown-it'
import { heal } from './heal.ts'
import { tame } from './markdown.rules.ts'

/** Source in, one string of HTML a top-level block out. The same strings as before for what has not changed. */
export type Prose = (source: string, finished: boolean) => readonly string[]

const md = tame(new MarkdownIt({ html: false, linkify: true }))

type Token = ReturnType<typeof md.parse>[number]
type Env = NonNullable<Parameters<typeof md.parse>[1]>

/** One answer's memory. Source that is not a continuation of the former one starts afresh. */
export function prose(): Prose {
  let closed: string[] = []
  let prefix = ''
  let env: Env = {}
  let last: { source: string; finished: boolean; blocks: readonly string[] } | undefined

  const close = (text: string) => {
    closed = [...closed, ...htmlOf(text, env)]
    prefix += text
  }

  return (source, finished) => {
    if (last?.source === source && last.finished === finished) return last.blocks
    if (!source.startsWith(prefix)) {
      closed = []
      prefix = ''
      env = {}
    }
    const rest = source.slice(prefix.length)
    const settled = startOfOpenBlock(rest)
    if (settled > 0) close(rest.slice(0, settled))
    const open = source.slice(prefix.length)
    // A reference that is defined further down changes what lies above it; that can only be known at the end.
    const blocks =
      finished && source.includes(']:') ? htmlOf(source, {}) : [...closed, ...htmlOf(finished ? open : heal(open), copyOf(env))]
    last = { source, finished, blocks }
    return blocks
  }
}

/** Everything at once, as a finished text is read. */
export const render = (source: string): readonly string[] => htmlOf(source, {})

const copyOf = ({ references }: Env): Env => (references ? { references: { ...references } } : {})

/** A block is over when the next one has a whole line: half a line may still turn into something else. */
function startOfOpenBlock(text: string): number {
  const whole = text.lastIndexOf('\n') + 1
  if (whole === 0) return 0
  const starts = blocksIn(md.parse(text.slice(0, whole), {})).map((block) => block[0]!.map![0])
  const line = starts.length > 1 ? starts.at(-1)! : 0
  let at = 0
  for (let i = 0; i < line; i++) at = text.indexOf('\n', at) + 1
  return at
}

function htmlOf(text: string, env: Env): string[] {
  return blocksIn(md.parse(text, env)).map((block) => md.renderer.render(block, md.options, env))
}

function blocksIn(tokens: Token[]): Token[][] {
  const blocks: Token[][] = []
  let depth = 0
  for (const token of tokens) {
    if (depth === 0) blocks.push([])
    blocks.at(-1)!.push(token)
    depth += token.nesting
  }
  return blocks
}
