/** Finds the sentences of a few passages that share the rare words of a question. It knows no meaning and claims none. */
import type { Passage } from './model.ts'

export interface Quote {
  passage: Passage
  sentence: string
}

const ENOUGH = 0.34 // of the question's weight in rare words must be in a sentence: a third, else it is only the same small talk
const SHORTEST = 12 // characters; shorter ones are headings and crumbs
const LONGEST = 600

export const isChinese = (text: string): boolean => /\p{Script=Han}/u.test(text)

/** Best first, at most `most`, and never two of the same words. */
export function bestSentences(question: string, passages: Passage[], most = 3): Quote[] {
  const asked = new Set(terms(question))
  if (asked.size === 0) return []
  const all = passages.flatMap((passage) =>
    sentences(passage.text).map((sentence) => ({
      passage,
      sentence,
      terms: new Set(terms(`${sentence}`)),
      title: new Set(terms(passage.title)),
    })),
  )
  const rarity = (term: string) => Math.log(1 + all.length / (1 + all.filter((one) => one.terms.has(term)).length))
  const weights = new Map([...asked].map((term) => [term, rarity(term)]))
  const whole = [...weights.values()].reduce((a, b) => a + b, 0)
  // A title says what its sentences are about, but fits all of them alike: half the weight, and never enough alone.
  const fit = (one: (typeof all)[number]) => {
    let own = 0
    let byTitle = 0
    for (const [term, weight] of weights) {
      if (one.terms.has(term)) own += weight
      else if (one.title.has(term)) byTitle += weight / 2
    }
    return own === 0 ? 0 : (own + byTitle) / whole
  }
  const ranked = all
    .map((one) => ({ ...one, score: fit(one) }))
    .filter((one) => one.score >= ENOUGH)
    .toSorted((a, b) => b.score - a.score || (b.passage.score ?? 0) - (a.passage.score ?? 0))
  const best = ranked[0]?.score ?? 0
  const seen = new Set<string>()
  const chosen: Quote[] = []
  for (const { passage, sentence, score } of ranked) {
    const key = sentence.toLowerCase()
    if (score < best / 2 || seen.has(key)) continue
    seen.add(key)
    chosen.push({ passage, sentence })
    if (chosen.length === most) break
  }
  return chosen
}

const split = new Intl.Segmenter('en', { granularity: 'sentence' })

export const sentences = (text: string): string[] =>
  paragraphs(text)
    .flatMap((paragraph) => [...split.segment(paragraph)].map(({ segment }) => segment.trim()))
    .filter((sentence) => sentence.length >= (isChinese(sentence) ? SHORTEST / 3 : SHORTEST) && sentence.length <= LONGEST)

/** What a person would read aloud of Markdown: no code, tables, headings or pictures; lines that were only wrapped are one again. */
function paragraphs(markdown: string): string[] {
  const found: string[] = []
  let open = ''
  const close = () => {
    if (open) found.push(plain(open))
    open = ''
  }
  for (const line of markdown.replace(/(?:^|\n)[ \t]*(```+|~~~+)[\s\S]*?(?:\n[ \t]*\1|$)/g, '\n\n').split('\n')) {
    const text = line.trim()
    if (!text || /^(?:[|#]|!\[|<!--|[-=*_]{3,}$)/.test(text)) close()
    else if (/^(?:[-*+>•]|\d{1,3}[.)])\s/.test(text)) {
      close()
      open = text.replace(/^(?:[-*+>•]|\d{1,3}[.)])\s+/, '')
    } else if (open && isChinese(open.at(-1) as string)) open += text
    else open = open ? `${open} ${text}` : text
  }
  close()
  return found
}

const plain = (text: string) =>
  text
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/(\*\*|__)(.+?)\1/g, '$2')
    .replace(/<(https?:[^>]+)>/g, '$1')

const words = new Intl.Segmenter('zh', { granularity: 'word' })

/** Words without their commonest endings. Chinese has no spaces, and is cut with the dictionary that Node brings. */
function terms(text: string): string[] {
  const found: string[] = []
  for (const { segment, isWordLike } of words.segment(text.toLowerCase())) {
    if (!isWordLike || common.has(segment)) continue
    // A single character is mostly grammar.
    if (!isChinese(segment)) found.push(stem(segment))
    else if (segment.length > 1) found.push(segment)
  }
  return found
}

const stem = (word: string) => (word.length > 4 ? word.replace(/(?:ies|ing|ed|es|s|e|y)$/, '') : word)

const common = new Set(
  'a an and any are as at be but by can could did dear do does for from get had has have hello hey hi how i if in into is it its long many me much my not of on or our please shall should so take tell thanks than that the their them then there these they this to us was we were what when where which who whom why will with would you your about 什么 怎么 怎样 如何 为何 为什么 多久 多少 哪里 哪个 可以 是否 请问 我们 你们 一个 这个 那个 没有 需要'.split(
    ' ',
  ),
)
