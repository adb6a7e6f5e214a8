/** Cuts Markdown into pieces that can be quoted: never across a heading, each with the headings above it. */

export interface Chunk {
  /** `document › heading › heading below`. */
  title: string
  content: string
}

/** Characters of one piece, about 300 tokens of English. */
const MOST = 1_200
/** A Chinese character has about three times the tokens of a Latin letter. */
const HAN = 3

export function chunksOf(title: string, markdown: string): Chunk[] {
  const chunks: Chunk[] = []
  const path: string[] = []
  let lines: string[] = []
  let fence = ''

  const close = () => {
    const name = [title, ...path.filter(Boolean)].filter((part, at, all) => part !== all[at - 1]).join(' › ')
    for (const content of pieces(lines)) chunks.push({ title: name, content })
    lines = []
  }
  for (const line of withoutDrawings(withoutFrontMatter(markdown)).split(/\r?\n/)) {
    fence = fenceAfter(line, fence)
    const heading = fence ? null : /^ {0,3}(#{1,6})[ \t]+(.*?)[ \t]*#*$/.exec(line)
    if (!heading) {
      lines.push(line)
      continue
    }
    close()
    const depth = (heading[1] as string).length
    path.length = Math.min(path.length, depth - 1)
    path[depth - 1] = heading[2] as string
  }
  close()
  return chunks
}

const withoutFrontMatter = (markdown: string) => markdown.replace(/^\uFEFF?---\r?\n[\s\S]*?\r?\n---\r?\n/, '')

/** Diagrams and comments are Markdown for machines: nobody quotes them. */
const withoutDrawings = (markdown: string) =>
  markdown.replace(/^```mermaid\r?\n[\s\S]*?^```[ \t]*\r?$/gm, '').replace(/^<!--.*-->[ \t]*\r?$/gm, '')

/** The mark of the code block that is open after this line; inside one, # is a comment and an empty line means nothing. */
function fenceAfter(line: string, open: string): string {
  const mark = /^ {0,3}(`{3,}|~{3,})/.exec(line)?.[1] ?? ''
  if (!open) return mark
  return mark.startsWith(open) && line.trim() === mark ? '' : open
}

/** Blocks together as long as they fit. */
function pieces(lines: string[]): string[] {
  const found: string[] = []
  let piece = ''
  for (const block of blocks(lines).flatMap((block) => cut(block))) {
    if (piece && weightOf(piece) + weightOf(block) > MOST) {
      found.push(piece)
      piece = ''
    }
    piece = piece ? `${piece}\n\n${block}` : block
  }
  return piece ? [...found, piece] : found
}

/** Paragraphs, lists, tables and code blocks, each whole. */
function blocks(lines: string[]): string[] {
  const found: string[] = []
  const block: string[] = []
  let fence = ''
  for (const line of lines) {
    fence = fenceAfter(line, fence)
    if (line.trim() !== '' || fence) block.push(line)
    else found.push(block.splice(0).join('\n').trim())
  }
  found.push(block.join('\n').trim())
  return found.filter(Boolean)
}

/** What is too long even alone comes apart at its lines, then at its sentences, and at last anywhere. */
function cut(block: string): string[] {
  if (weightOf(block) <= MOST) return [block]
  const parts = block.includes('\n') ? block.split(/(?<=\n)/) : block.split(/(?<=[.!?;][ \t])|(?<=[。！？；])/)
  if (parts.length === 1) return inSlices(block)
  const found: string[] = []
  let piece = ''
  for (const part of parts.flatMap((part) => (weightOf(part) > MOST ? cut(part.trimEnd()) : [part]))) {
    if (piece && weightOf(piece) + weightOf(part) > MOST) {
      found.push(piece.trimEnd())
      piece = ''
    }
    piece += part
  }
  return [...found, piece.trimEnd()].filter(Boolean)
}

function inSlices(text: string): string[] {
  const characters = [...text]
  const most = Math.floor((MOST * characters.length) / weightOf(text))
  return Array.from({ length: Math.ceil(characters.length / most) }, (_, at) => characters.slice(at * most, (at + 1) * most).join(''))
}

const weightOf = (text: string) => text.length + (HAN - 1) * (text.match(/\p{Script=Han}/gu)?.length ?? 0)
