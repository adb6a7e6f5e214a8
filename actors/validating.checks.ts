/** What QA can see without a model. A good answer turned away costs more than a bad one let through, so doubt passes. */
import type { ValidateAsk } from '../machines/slot.ts'
import { proseOf, withoutQuotes } from './prose.ts'
import { ownSentences } from './prompt.ts'
import { repeatsItself } from './repetition.ts'
import { secretIn } from './secrets.ts'

/** A sentence that says what is wrong, or undefined. */
type Check = (ask: Pick<ValidateAsk, 'question' | 'draft' | 'citations' | 'reason'>) => string | undefined

const isEmpty: Check = ({ draft }) => (/[^\s\p{C}.…,;:!?。，！？、]/u.test(draft) ? undefined : 'the answer is empty')

const isCutOff: Check = ({ reason }) =>
  reason === 'length' ? 'the answer was cut off at its length limit: answer completely, in fewer words' : undefined

/** "Yes." may be all there is to say, but never where something was to be written or explained. */
const isTooShort: Check = ({ question, draft }) => {
  const words = draft.match(/[\p{Script=Latin}\p{N}'’]+|\p{Script=Han}/gu) ?? []
  const chinese = words.length > 0 && words.every((word) => /\p{Script=Han}/u.test(word))
  const asks =
    /\b(?:explain|describe|implement|compare|summari[sz]e|write (?:a|an|the|me)\b.{0,20}\b(?:function|program|script|essay|report|email|article|story|letter|class|test))\b|解释|说明一下|详细|比较|总结|写一[个篇份封段]|实现一个/i
  if (words.length > (chinese ? 4 : 2) || !asks.test(question) || /```|`/.test(draft)) return undefined
  return /yes or no|one word|single word|briefly|in short|一个词|一句话|是或否|简短/i.test(question)
    ? undefined
    : 'the answer is too short for what was asked'
}

const isUnfinished: Check = ({ question, draft }) => {
  if (
    /(?:^|\n)[ \t]*(?:\/\/|#|\/\*+|<!--|--|\*|;)[ \t]*(?:TODO|FIXME)\b|\b(?:TODO|FIXME):|\[(?:TODO|FIXME|TBD)[^\]]*\]/.test(draft) &&
    !/to-?\s?do|fixme|tbd|待办/i.test(question)
  ) {
    return 'the answer contains a TODO or FIXME: finish that part'
  }
  if (/\blorem ipsum\b/i.test(draft) && !/lorem|placeholder|dummy|filler|sample text|占位|假文|示例文/i.test(question))
    return 'the answer contains placeholder text (lorem ipsum)'
  if (/\[truncated\]/i.test(draft) && !/\[?truncated\]?/i.test(question))
    return 'the answer contains the mark [truncated] instead of the text'
  if (
    /(?:\/\/|#|\/\*)[ \t]*(?:implement (?:this|me)|implementation goes here|rest of (?:the|your) (?:code|implementation) (?:goes )?here)/i.test(
      draft,
    )
  )
    return 'the answer leaves code to be written: write it out'
  return undefined
}

/** A refusal is an answer once it says why, or what would be possible instead. */
const declinesWithoutReason: Check = ({ draft }) => {
  const declines =
    /\bas an ai\b[^.!?\n]{0,40}\b(?:cannot|can't|can not|unable to|not able to)\s*(?:[.!?]|$|(?:help|assist|answer|do|fulfil\w*|comply|provide|complete|respond)\b)|^\s*(?:i'm |i am )?(?:sorry|i apologi[sz]e)[,.]?\s*(?:but )?i (?:cannot|can't|am unable to|'m unable to) (?:help|assist|answer|do|fulfil\w*|comply)\b|作为(?:一个|一名)?(?:AI|人工智能)(?:语言)?(?:模型|助手)[，,]?\s*我(?:无法|不能)(?:回答|提供|帮助|完成|协助|这样做)|^\s*(?:很)?抱歉[，,]\s*我(?:无法|不能)(?:回答|帮助|协助|完成)/i
  const reasons =
    /\b(?:because|since|as it|due to|would|could|may|might|instead|however|but (?:i|you|here)|illegal|harm\w*|safe\w*|privacy|private|policy|access|legal|medical|instead|recommend|suggest|do(?: not|n't) (?:have|know)|lack|no information|until|unless|real[- ]time)\b|因为|由于|但是?|不过|建议|可以|违反|违法|危险|隐私|安全|没有|涉及|如果/i
  const said = draft.replaceAll('’', "'")
  return said.length < 240 && declines.test(said) && !reasons.test(said.replace(declines, ''))
    ? 'the answer declines without saying why, and offers nothing instead'
    : undefined
}

const leaksSecret: Check = ({ question, draft }) => {
  const kind = secretIn(draft, question)
  return kind && `the answer contains ${kind}: leave it out`
}

const leaksPrompt: Check = ({ question, draft }) => {
  const said = bare(draft)
  const asked = bare(question)
  return ownSentences.some((sentence) => said.includes(bare(sentence)) && !asked.includes(bare(sentence)))
    ? 'the answer repeats our own instructions: answer the person instead'
    : undefined
}

const bare = (text: string) =>
  text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim()

const isInAnotherLanguage: Check = ({ question, draft }) => {
  const asked = withoutQuotes(proseOf(question))
  const said = withoutQuotes(proseOf(draft))
  // Who names a language may want it.
  if (
    /translat|翻译|英文|英语|中文|汉语|日语|日文|韩语|法语|德语|西班牙语|俄语|[a-z]文写|english|chinese|mandarin|cantonese|japanese|korean|german|french|spanish|pinyin|拼音|hanzi|kanji|in another language|外语/i.test(
      question,
    )
  )
    return undefined
  if (/[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/u.test(question + draft)) return undefined
  const [askedHan, askedLatin] = [han(asked), latin(asked)]
  const [saidHan, saidLatin] = [han(said), latin(said)]
  // A Chinese character carries about as much as a word.
  if (askedHan >= 4 && askedHan >= askedLatin * 3 && !english.test(asked) && saidHan === 0 && saidLatin >= 8)
    return 'the question is in Chinese and the answer is not: answer in Chinese'
  if (askedHan === 0 && askedLatin >= 2 && saidHan >= 15 && saidHan > saidLatin * 2)
    return 'the answer is in Chinese and the question is not: answer in the language of the question'
  return undefined
}

/** Words by which an English sentence is known, even when most of it is quoted. */
const english = /\b(?:what|does|the|is|are|how|this|please|mean|why|can|you|it|in)\b/i
const han = (text: string) => text.match(/\p{Script=Han}/gu)?.length ?? 0
const latin = (text: string) => text.match(/\p{Script=Latin}{2,}/gu)?.length ?? 0

const citesNothing: Check = ({ question, draft, citations }) => {
  const prose = proseOf(draft)
  // Without citations [1] may be a list in mathematics or code, or a note of the author's own.
  if (
    /\[\d{1,2}\]/.test(question) ||
    (citations.length === 0 && (prose.length < draft.length || !/[\p{L}.,;，。；"”)] ?\[\d{1,2}\](?=[.,;:。，；\s]|\[|$)/u.test(prose)))
  )
    return undefined
  const own = new Set(Array.from(prose.matchAll(/^[ \t]*(?:[-*][ \t]+)?\[(\d{1,2})\]:?[ \t]+\S/gm), ([, number]) => number))
  const wrong = Array.from(
    prose.matchAll(
      /(?<![\w\]=([{,+*/<>-])(?<!\b(?:of|is|at|in|equals?|returns?|array|list|gives|get|index|interval|vector|print|prints|output|outputs|set|tuple)\s)\[(\d{1,2})\](?![(:\w])/gi,
    ),
    ([, number]) => number as string,
  ).find((number) => !own.has(number) && Number(number) >= 1 && Number(number) > citations.length)
  return (
    wrong &&
    (citations.length > 0
      ? `the mark [${wrong}] names no source: there are ${citations.length}`
      : `the mark [${wrong}] names no source: there are none`)
  )
}

const isNotTheJson: Check = ({ question, draft }) => {
  const wants =
    /(?:^|[.!?\n,:;]\s*|\band |\bplease |\bthen )(?:reply|respond|answer|output|return)(?: only| just| me)?(?: with| in| as| using)?(?: only| a| an| the| one| single| valid| strict| raw| pure)* json\b|\b(?:only|just|strictly|valid|raw) json\b[^.?!\n]{0,20}(?:$|[.!])|\bjson only\b|(?:请|只|仅|必须)(?:返回|输出|用|以)[^。？！\n]{0,6}JSON|以 ?JSON ?(?:格式)?(?:返回|输出|回答|回复)/im
  const codes =
    /\b(?:functions?|endpoints?|apis?|routes?|methods?|class|scripts?|query|server|handler|how (?:do|can|to)|parse|component|code|express|flask|django|controller|middleware)\b|函数|接口|程序|代码|如何|怎么|服务|脚本/i
  if (!wants.test(question) || codes.test(question)) return undefined
  const fenced = Array.from(draft.matchAll(/```[\w-]*\n([\s\S]*?)```/g), ([, code = '']) => code)
  const spans = (['{}', '[]'] as const).map(([open, close]) =>
    draft.slice(draft.indexOf(open as string), draft.lastIndexOf(close as string) + 1),
  )
  return [draft, ...fenced, ...spans].some(parses) ? undefined : 'JSON was asked for, and the answer holds none that can be parsed'
}

function parses(text: string): boolean {
  try {
    return text.trim() !== '' && JSON.parse(text) !== undefined
  } catch {
    return false // which is what was asked
  }
}

const isALoop: Check = ({ question, draft }) =>
  /repeat|\btimes\b|over and over|\d+ copies|重复|\d+\s*[遍次]/i.test(question) || !repeatsItself(proseOf(draft))
    ? undefined
    : 'the answer repeats itself over and over: say each thing once'

/** The cheapest and the surest first. */
export const checks: Check[] = [
  isEmpty,
  isCutOff,
  isTooShort,
  isUnfinished,
  declinesWithoutReason,
  leaksSecret,
  leaksPrompt,
  isInAnotherLanguage,
  citesNothing,
  isNotTheJson,
  isALoop,
]
