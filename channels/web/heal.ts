/** Completes Markdown that is still being written, so that a half-arrived marker is never read as text. */

export function heal(text: string): string {
  const fence = openFence(text)
  if (fence) return quietFence(text, fence)
  return closeEmphasis(closeLink(closeCode(dropUnfinishedLine(text))))
}

interface Fence {
  mark: string
  /** Where its first line begins. */
  at: number
}

function openFence(text: string): Fence | undefined {
  let open: Fence | undefined
  let at = 0
  for (const line of text.split('\n')) {
    const [, mark, rest = ''] = /^[\s>]*(?:(?:[-*+]|\d+[.)])\s+)?(`{3,}|~{3,})(.*)$/.exec(line) ?? []
    if (mark !== undefined) {
      if (!open && !(mark.startsWith('`') && rest.includes('`'))) open = { mark, at }
      else if (open && mark.startsWith(open.mark) && rest.trim() === '') open = undefined
    }
    at += line.length + 1
  }
  return open
}

/** A language half named would flicker, and half a closing fence would look like code. */
function quietFence(text: string, { mark, at }: Fence): string {
  const last = text.lastIndexOf('\n') + 1
  if (last <= at) return text.slice(0, text.indexOf(mark, at) + mark.length)
  const tail = text.slice(last).trim()
  return tail !== '' && mark.startsWith(tail) ? text.slice(0, last) : text
}

const lone = /^\s*(?:[-*+=_#>~`|:\s]+|\d{1,3}[.)])\s*$/

/** Markers alone may become anything; a table's row waits until it ends, its head until the line below says that it is one. */
function dropUnfinishedLine(text: string): string {
  const last = text.lastIndexOf('\n') + 1
  const line = text.slice(last)
  const kept = lone.test(line) || line.trimStart().startsWith('|') ? text.slice(0, last) : text
  const paragraph = kept.slice(startOfParagraph(kept)).trimEnd()
  return paragraph.startsWith('|') && !paragraph.includes('\n') ? kept.slice(0, startOfParagraph(kept)) : kept
}

function startOfParagraph(text: string): number {
  const blank = text.trimEnd().lastIndexOf('\n\n')
  return blank < 0 ? 0 : blank + 2
}

/** Where the inline text that is still open begins: nothing inline reaches over an item, a heading or a blank line. */
function startOfInline(text: string): number {
  let start = startOfParagraph(text)
  for (const { index } of text.slice(start).matchAll(/^[ \t]*(?:[-*+]|\d+[.)]|#{1,6}|>)[ \t]/gm)) {
    const from = startOfParagraph(text) + index
    start = Math.max(start, from + /^[ \t]*(?:[-*+]|\d+[.)]|#{1,6}|>)[ \t]/.exec(text.slice(from))![0].length)
  }
  return start
}

function closeCode(text: string): string {
  const start = startOfInline(text)
  const open = openCode(text.slice(start))
  if (!open) return text
  const after = text.slice(start + open.at + open.mark.length)
  if (after.trim() === '') return text.slice(0, start + open.at)
  // Part of the closing run may be here already.
  const tail = /`*$/.exec(text)![0].length
  return `${text.slice(0, text.length - tail)}${open.mark}`
}

function openCode(text: string): Fence | undefined {
  const runs = [...text.matchAll(/\\.|`+/gs)].filter(([run]) => run.startsWith('`'))
  for (let i = 0; i < runs.length; i++) {
    const close = runs.findIndex((run, j) => j > i && run[0] === runs[i]![0])
    if (close < 0) return { mark: runs[i]![0], at: runs[i]!.index }
    i = close
  }
  return undefined
}

/** The text of a link shows at once, its address once it is whole; a picture waits for both. */
function closeLink(text: string): string {
  const start = startOfInline(text)
  const open = /(!?)\[((?:[^\][`\n]|\n(?!\n))*)(\]?|\]\([^)\s]*(?:\s[^)]*)?)$/.exec(text.slice(start))
  // A number in brackets names a source and is whole; other brackets that have just closed may still become a link.
  if (!open || (open[3] === ']' && /^(?:\d+|[ x])$/.test(open[2] ?? ''))) return text
  const before = text.slice(0, start + open.index)
  return open[1] === '!' ? before : before + open[2]
}

function closeEmphasis(text: string): string {
  const start = startOfInline(text)
  const inline = text.slice(start)
  const open: string[] = []
  let dangling = 0
  for (const { 0: run, index } of inline.matchAll(/\\.|(`+)[\s\S]*?[^`]\1(?!`)|https?:\/\/\S+|\*+|_+|~+/g)) {
    if (!/^[*_~]/.test(run)) continue
    const before = inline[index - 1] ?? ' '
    const after = inline[index + run.length]
    const closes = !/\s/.test(before) && open.at(-1)?.[0] === run[0]
    const alone = run === '~' // one tilde means "about", unless it is half of a closing pair
    if (after === undefined && !closes) dangling = run.length
    else if (closes && (!alone || after === undefined)) closeRun(open, run)
    else if (after !== undefined && !alone && !/\s/.test(after) && !/\w/.test(before)) open.push(run)
  }
  const whole = text.slice(0, text.length - dangling)
  if (open.length === 0) return whole
  const trimmed = whole.trimEnd()
  return trimmed + open.reverse().join('')
}

/** `**a*` has closed half of its run: the rest stays open. */
function closeRun(open: string[], run: string): void {
  let left = run.length
  while (left > 0 && open.at(-1)?.[0] === run[0]) {
    const top = open.pop()!
    if (top.length > left) open.push(top.slice(left))
    left -= top.length
  }
}
