/** Messages without anything to work on: small talk wants a friendly word, a bare "fix it" wants a question back. */

export const isChinese = (text: string): boolean => /\p{Script=Han}/u.test(text)

/** Words or Chinese characters; ten of either say about as much. */
const MOST = 14
/** Characters; what is longer holds something. */
const LONGEST = 300

const wordsOf = (text: string): string[] =>
  text
    .toLowerCase()
    .replaceAll('’', "'")
    .match(/[\p{Script=Latin}\p{N}']+|\p{Script=Han}+/gu) ?? []

/** True when nothing is left once the phrases are taken out. Longer phrases go first, so that 好的 is not 好 and a rest. */
function consistsOf(text: string, latin: Set<string>, han: RegExp): boolean {
  const words = wordsOf(text)
  if (words.length === 0 || words.length > MOST) return false
  // A number is always content: a code, a date, a choice.
  return words.every((word) => (isChinese(word) ? word.replace(han, '') === '' : latin.has(word)))
}

const list = (text: string) => new Set(text.split(/\s+/).filter(Boolean))
const anyOf = (text: string) => new RegExp([...list(text)].sort((a, b) => b.length - a.length).join('|'), 'gu')

/** Without one of these a message of courtesies is none: "you" alone is not small talk. */
const smallTalk =
  /\b(?:hi|hiya|hello|hey|howdy|yo|morning|evening|afternoon|night|thanks?|thx|ty|cheers|bye|goodbye|cya|ok|okay|k|great|perfect|cool|nice|awesome|good|fine|lol|haha\w*|yes|yep|yeah|no|nope|sure|welcome|got it|understood|see you|how are you|what's up|appreciated?|wonderful|excellent|right|alright)\b|[嗨好谢早安嗯懂对棒哈]|明白|知道|收到|再见|拜拜|辛苦|客气|没事|是的|可以|行|了解|没问题|怎么样/iu
const smallTalkLatin =
  list(`hi hiya hello hey howdy yo there good morning evening afternoon night day how are you today doing is it going what's up thanks thank thx ty cheers a lot so very much
  bye goodbye cya see later soon tomorrow talk to ok okay k great perfect cool nice awesome fine lol haha hahaha yes yep yeah no nope sure welcome you're got understood i that was that's it's this
  all everyone team nexus again for your help really helpful appreciate appreciated wonderful excellent right alright works now then and have problem worries just me too we're well the answer quick weekend`)
const smallTalkHan =
  anyOf(`你好 您好 你好吗 您好吗 大家好 嗨 哈喽 早上好 早安 早 上午好 中午好 下午好 晚上好 晚安 谢谢 谢谢你 谢谢您 谢谢了 谢啦 多谢 感谢 非常 十分 太 你的 您的 帮助 帮忙 好的 好吧 好 嗯 嗯嗯 明白 明白了 知道了 懂了 了解 收到 再见 拜拜 明天见 回头见
  今天 过得 最近 怎么样 吗 你 您 辛苦了 没事 没问题 不客气 哈 太好了 太棒了 棒 对 对的 是的 可以 行 了 啦 呀 啊 哦 吧 的 很 都 真 周末 愉快 我 先这样`)

/** Greetings, thanks, a yes: the whole message and nothing beside it. */
export function isSmallTalk(text: string): boolean {
  const trimmed = text.trim()
  if (trimmed.length > LONGEST) return false
  if (/^[\p{Extended_Pictographic}\p{Emoji_Component}\s]+$/u.test(trimmed) && /\p{Extended_Pictographic}/u.test(trimmed)) return true
  if (/\bproblem\b/i.test(trimmed) && !/\bno problem\b/i.test(trimmed)) return false
  if (/\bhelp\b/i.test(trimmed) && !/thank|thx|appreciat/i.test(trimmed)) return false
  if (/帮/.test(trimmed) && !/谢/.test(trimmed)) return false
  if (/^(?:why|how)\b(?! are you| is it going)/i.test(trimmed) || /^(?:no\W+)?that(?:'s| is| was) not\b/i.test(trimmed)) return false
  return smallTalk.test(trimmed) && consistsOf(trimmed, smallTalkLatin, smallTalkHan)
}

const emptyLatin =
  list(`hi hello hey there please pls plz help me us i we you can could would will do does did don't doesn't didn't isn't not won't can't cannot have has had got a an the some any my our one
  problem problems question questions issue issues trouble error errors bug bugs fix repair solve change improve update check look at into see it its it's this that these thing things something
  is are was be wrong work works working worked broken broke fails fail failed failing crashes crashed again still now asap urgent urgently quick quickly need want assist assistance support with for to
  make better nicer do try and but so how what why happens happened going on about anyone somebody someone stuck lost idea start wait sorry um uh hmm well go continue ask else more let's know tell way stopped same u r ur something's whats what's up`)
const emptyHan =
  anyOf(`你好 您好 帮我 帮帮我 帮忙 帮个忙 帮 请 请问 麻烦 能 能不能 可以 可不可以 吗 我 我的 你 您 有 有个 个 一个 点 问题 疑问 出 出现 了 不行 不能用 不好用 不能 用不了 不工作 没反应 没用 没法用 坏了 坏 报错 错误 错 出错 失败 失效 怎么办 怎么
  怎么回事 为什么 什么 修 修复 修一下 改 改改 修改 一下 看看 看 看一下 弄 弄一下 搞 搞定 它 这 那 这个 那个 这里 东西 啊 呢 吧 的 又 还是 还 就 很 急 着急 救命 求助 想 问 问一下 咨询 是 不对 不好 处理 解决 优化 试试 做 情况 呀 啦 嘛 一些 需要 卡住 求 快`)

/** A request in which nothing says what it is about. */
export function isEmptyOfContent(text: string): boolean {
  const trimmed = text.trim()
  if (trimmed.length > LONGEST) return false
  if (trimmed === '' || /^[\p{P}\p{S}\s]+$/u.test(trimmed)) return true
  if (isSmallTalk(trimmed) || isAboutUs(trimmed)) return false
  return consistsOf(trimmed, emptyLatin, emptyHan)
}

/** "Who are you", "what can you do": empty words, and yet a question that can be answered. */
export const isAboutUs = (text: string): boolean =>
  /^\W*(?:hi|hello|hey)?\W*(?:(?:so|and)\s+)?(?:who|what) (?:are|r) you\b|^\W*what (?:can|do) you do\b|^\W*(?:what|how) (?:can|could) (?:you|u) help|^\W*how do you work/i.test(
    text.trim(),
  ) ||
  /^(?:你好|您好)?[，,\s]*(?:请问)?(?:你|您)(?:是谁|是什么|是做什么的|叫什么|能做什么|会什么|会做什么|能帮我做什么|可以做什么|有什么用)/.test(
    text.trim(),
  )

/** One question, in the language of the message. */
export function questionFor(text: string): string {
  const kind =
    /fix|broken|broke|error|bug|wrong|work|fail|crash|problem|issue|trouble|stuck|不行|错|坏|用不了|不能|问题|失败|没反应|修|不对/i.test(
      text,
    )
      ? 'fault'
      : /make|change|improve|better|update|改|优化|弄|做/i.test(text)
        ? 'change'
        : 'other'
  return questions[isChinese(text) ? 'zh' : 'en'][kind]
}

const questions = {
  en: {
    fault: 'What exactly goes wrong: what did you do, and what happened instead of what you expected?',
    change: 'What should be changed, and what should it be like afterwards?',
    other: 'What would you like help with?',
  },
  zh: {
    fault: '具体是哪里出了问题：您做了什么操作，预期是什么，实际发生了什么？',
    change: '您想修改什么内容，希望改成什么样子？',
    other: '请问您具体需要什么帮助？',
  },
}
