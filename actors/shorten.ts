/** Makes a text fit: its head, a mark, and its tail, because requests stand at the beginning and conclusions at the end. */

export const MARK = ' … [truncated] … '

/** The text itself when it fits; nothing when not even the mark would. */
export function shortened(text: string, tokens: number, count: (text: string) => number): string {
  const whole = count(text)
  if (whole <= tokens) return text
  for (let room = Math.floor((text.length * tokens) / whole) - MARK.length; room > 0; room = Math.floor(room * 0.9)) {
    const tail = Math.floor(room / 3)
    // Half of a surrogate pair is no character.
    const head = text
      .slice(0, room - tail)
      .replace(/[\uD800-\uDBFF]$/, '')
      .trimEnd()
    const cut = `${head}${MARK}${
      tail > 0
        ? text
            .slice(-tail)
            .replace(/^[\uDC00-\uDFFF]/, '')
            .trimStart()
        : ''
    }`
    if (count(cut) <= tokens) return cut
  }
  return ''
}
