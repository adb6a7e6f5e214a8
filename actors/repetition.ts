/** Knows a text that turns in circles, as models do when they lose the thread. */

const LONGEST = 300 // of one round
const ROUNDS = 4
const SHORTEST = 160 // of all rounds together: "ha ha ha" is laughter

/** Letters make a round; rules and rows of signs are layout. */
const hasWords = /[\p{L}\p{N}]/u

export function repeatsItself(text: string): boolean {
  const end = text.trimEnd()
  return circles(end) || stutters(end)
}

/** The end of the text is the same piece again and again. */
function circles(text: string): boolean {
  for (let period = 1; period <= LONGEST && period * ROUNDS <= text.length; period++) {
    const need = Math.max(period * ROUNDS, SHORTEST)
    if (need > text.length) break
    let same = period
    while (same < need && text[text.length - 1 - same] === text[text.length - 1 - same + period]) same++
    if (same >= need && hasWords.test(text.slice(-period))) return true
  }
  return false
}

/** One line of some length stands many times in a row, wherever. */
function stutters(text: string): boolean {
  let before = ''
  let times = 1
  for (const line of text.split(/\n+|(?<=[.!?。！？])\s*/)) {
    const said = line.trim()
    if (said.length === 0) continue
    times = said === before ? times + 1 : 1
    before = said
    const isSentence = said.length >= 24 || (said.match(/\p{Script=Han}/gu)?.length ?? 0) >= 8
    if (times > ROUNDS && isSentence && hasWords.test(said)) return true
  }
  return false
}
