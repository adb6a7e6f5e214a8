/** Cuts Markdown into pieces that can be quoted: never across a heading, each with the headings above it. */

export interface Chunk {
  /** `document › heading › heading below`. */
  title: string
  content: string
}

/** Characters of one piece, about 300 tokens of English. */
const MOST = 1_200

export function chunksOf(title: string, markdown: string): Chunk[] {
  const chunks: Chunk[] = []
  const path: string[] = []
  let lines: string[] = []
  let fenced = false

  const close = () => {
    const name = [title, ...path.filter(Boolean)].filter((part, at, all) => part !== all[at - 1]).join(' › ')
    for (const content of pieces(lines)) chunks.push({ title: name, content })
    lines = []
  }
  for (const line of markdown.split('\n')) {
    if (/^(?:```|~~~)/.test(line)) fenced = !fenced
    const heading = fenced ? null : /^(#{1,6})\s+(.*?)\s*#*$/.exec(line)
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

/** Paragraphs together as long as they fit; one that does not fit stands alone. */
function pieces(lines: string[]): string[] {
  const found: string[] = []
  let piece = ''
  for (const paragraph of lines.join('\n').split(/\n\s*\n/)) {
    const text = paragraph.trim()
    if (!text) continue
    if (piece && piece.length + text.length > MOST) {
      found.push(piece)
      piece = ''
    }
    piece = piece ? `${piece}\n\n${text}` : text
  }
  return piece ? [...found, piece] : found
}
