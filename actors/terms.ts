/** Cuts a text into what can be looked up, in documents and questions alike. */

const han = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/u

/** A run of one script: Redis默认端口 is a word and four characters. */
const runs =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]+|(?:(?![\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}])[\p{L}\p{N}\p{M}])+/gu

/** Words without their commonest endings; scripts without spaces as pairs of characters. */
export function terms(text: string): string[] {
  const found: string[] = []
  for (const [word] of plain(text).matchAll(runs)) {
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

/** Small letters, full width as half width, Latin ones without accents. */
const plain = (text: string) =>
  text
    .normalize('NFKD')
    .replace(/[\u0300-\u036f]/g, '')
    .normalize('NFC')
    .toLowerCase()

/** Without the commonest endings of English and German; a word of three letters is left in any case. */
const stem = (word: string): string => {
  // Longer ones are no words: keys, hashes, whole files in base64.
  if (word.length < 4 || word.length > 40 || /\d/.test(word)) return word
  const singular = word
    .replace(/ies$/, 'y')
    .replace(/(?<=[sxz]|ch|sh)es$/, '')
    .replace(/(?<=[^aious])s$/, '')
  const root = singular
    .replace(/(?<=[aeiouy].*[^e])(?:ing|ed)$/, '')
    .replace(/(?<=...)(?:ern|em|en|er)$/, '')
    .replace(/([bdfgmnprt])\1$/, '$1')
  return root
    .replace(/(?<=..)ations?$/, 'ate')
    .replace(/(?<=...)ly$/, '')
    .replace(/(?<=...)(?:e|y)$/, '')
}

const stopWords = new Set(
  `a an and any are as at be been but by can could did do does for from get had has have he her his how i if in into is it its me my no not of on or our she should so some than that the their them then there these they this
  those to us was we were what when where which while who whom whose why will with would you your`.split(/\s+/),
)

/** The words of a question that say what it is about: a document that lacks "please" lacks nothing. */
export function asking(question: string): string[] {
  const told = terms(question.replace(chineseManners, ' '))
  const about = told.filter((term) => !manners.has(term))
  return about.length > 0 ? about : told.length > 0 ? told : terms(question)
}

const manners = new Set(
  terms(
    'tell please explain describe show give know about want like help hello hi hey thanks thank need let say anything something find more much also just really would could bitte danke hallo erkläre wie was ist der die das ein eine und mit für von ich kann man wer wo wann warum',
  ),
)
const chineseManners =
  /请问|你好|您好|谢谢|什么是|是什么|什么|怎么样|怎样|怎么|如何|为什么|为何|哪里|哪些|哪个|多少|是否|是不是|能不能|可以|告诉我|介绍一下|一下|帮我|请|吗|呢|吧|的/g
