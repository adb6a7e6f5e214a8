/** What our Markdown does otherwise than the library: nothing is loaded from afar, links say where they lead, every block finds its own direction. */
import type MarkdownIt from 'markdown-it'

type Renderer = InstanceType<typeof MarkdownIt>

export function tame(md: Renderer): Renderer {
  const escape = md.utils.escapeHtml
  /** Link by link, where each leads: opening and closing are two rules, and a link in a link there is not. */
  let host = ''

  md.validateLink = (url) => /^(?:https?:\/\/|mailto:)/i.test(url.trim())

  md.core.ruler.push('direction', ({ tokens }) => {
    for (const token of tokens) {
      if (token.nesting === 1) token.attrSet('dir', 'auto')
      // A style attribute does not pass the content security policy; a class does.
      const align = /text-align:(\w+)/.exec(String(token.attrGet('style') ?? ''))?.[1]
      if (align) {
        token.attrs = (token.attrs ?? []).filter(([name]) => name !== 'style')
        token.attrSet('class', `align-${align}`)
      }
    }
  })

  md.renderer.rules.table_open = () => '<div class="table" tabindex="0" role="region" aria-label="Table"><table dir="auto">'
  md.renderer.rules.table_close = () => '</table></div>'

  md.renderer.rules.link_open = (tokens, i, options, _env, self) => {
    const token = tokens[i]!
    token.attrSet('rel', 'noopener nofollow')
    token.attrSet('target', '_blank')
    const itself = token.markup === 'linkify' || token.markup === 'autolink'
    host = itself ? '' : hostOf(String(token.attrGet('href')))
    return self.renderToken(tokens, i, options)
  }
  md.renderer.rules.link_close = () => `${hostChip(host)}</a>`

  /** A picture from afar would tell its server what was read here: it becomes a link. */
  md.renderer.rules.image = (tokens, i) => {
    const src = String(tokens[i]!.attrGet('src') ?? '')
    const name = tokens[i]!.content || 'picture'
    return `<a class="picture" href="${escape(src)}" rel="noopener nofollow" target="_blank">${escape(name)}${hostChip(hostOf(src))}</a>`
  }

  md.renderer.rules.fence = (tokens, i) => {
    const { info, content } = tokens[i]!
    return codeBlock(content, /^[\w+#.-]+/.exec(info.trim())?.[0] ?? '')
  }
  md.renderer.rules.code_block = (tokens, i) => codeBlock(tokens[i]!.content, '')

  const hostChip = (host: string): string => (host === '' ? '' : ` <span class="host" dir="ltr">${escape(host)}</span>`)
  const codeBlock = (code: string, language: string): string =>
    `<div class="code" dir="ltr"><div class="code-head"><span class="code-language">${escape(language)}</span>` +
    `<button type="button" class="code-copy" data-copy="code">Copy</button></div>` +
    `<pre tabindex="0"><code data-language="${escape(language.toLowerCase())}">${escape(code)}</code></pre></div>\n`

  return md
}

function hostOf(url: string): string {
  try {
    return new URL(url).hostname.replace(/^www\./, '')
  } catch {
    return '' // not an address: then there is no host to show
  }
}
