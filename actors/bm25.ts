/** Ranks texts by the words of a question: Okapi BM25 (Robertson and Zaragoza 2009, k1 = 1.2, b = 0.75). Needs no model. */

const K1 = 1.2
const B = 0.75

export interface Index<T> {
  /** The best first, with a score from 0 to 1: the part of the question's weight that was found. */
  search(question: string, most: number): { item: T; score: number }[]
}

export function createIndex<T>(items: { item: T; text: string }[]): Index<T> {
  const postings = new Map<string, { at: number; times: number }[]>()
  const lengths = items.map(({ text }, at) => {
    const counts = new Map<string, number>()
    for (const term of terms(text)) counts.set(term, (counts.get(term) ?? 0) + 1)
    let length = 0
    for (const [term, times] of counts) {
      const list = postings.get(term)
      if (list) list.push({ at, times })
      else postings.set(term, [{ at, times }])
      length += times
    }
    return length
  })
  const average = lengths.reduce((sum, length) => sum + length, 0) / Math.max(1, lengths.length)

  return {
    search(question, most) {
      const scores = new Map<number, { score: number; found: number }>()
      let asked = 0
      for (const term of new Set(terms(question))) {
        const list = postings.get(term) ?? []
        const weight = Math.log(1 + (items.length - list.length + 0.5) / (list.length + 0.5))
        asked += weight
        for (const { at, times } of list) {
          const length = lengths[at] as number
          const part = (weight * times * (K1 + 1)) / (times + K1 * (1 - B + (B * length) / average))
          const now = scores.get(at) ?? { score: 0, found: 0 }
          scores.set(at, { score: now.score + part, found: now.found + weight })
        }
      }
      return [...scores.entries()]
        .sort(([, a], [, b]) => b.score - a.score)
        .slice(0, most)
        .map(([at, { found }]) => ({ item: (items[at] as { item: T }).item, score: Math.round((found / asked) * 1000) / 1000 }))
    },
  }
}

const han = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/u

/** Words without their commonest endings; scripts without spaces as pairs of characters. */
export function terms(text: string): string[] {
  const found: string[] = []
  for (const [word] of text.normalize('NFKC').toLowerCase().matchAll(/[\p{L}\p{N}]+/gu)) {
    if (!han.test(word)) {
      if (!stopWords.has(word)) found.push(stem(word))
      continue
    }
    const characters = [...word]
    if (characters.length === 1) found.push(word)
    for (let at = 0; at + 1 < characters.length; at++) found.push(`${characters[at]}${characters[at + 1]}`)
  }
  return found
}

const stem = (word: string) => (word.length < 5 ? word.replace(/(?<=..)s$/, '') : word.replace(/(?:ies|es|s|ed|ing|ly)$/, ''))

const stopWords = new Set('a an and are as at be by can do does for from has have how i in is it its me my of on or that the this to was we what when where which who why will with you your'.split(' '))
