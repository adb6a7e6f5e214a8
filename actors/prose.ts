/** The words of a text without what is not its author's own tongue. */

/** Without code blocks, code in a line, links and formulas. A block that was never closed reaches to the end. */
export const proseOf = (text: string): string =>
  text
    .replace(/(?:^|\n)[ \t]*(```+|~~~+)[\s\S]*?(?:\n[ \t]*\1|$)/g, '\n')
    .replace(/`[^`\n]*`/g, ' ')
    .replace(/\bhttps?:\/\/[^\s)>\]]+/g, ' ')
    .replace(/\$\$[\s\S]*?\$\$/g, ' ')

/** No mark opens twice before it closes: otherwise whoever never closes one is read to its end for each of them. */
export const withoutQuotes = (text: string): string =>
  text.replace(/"[^"\n]*"|“[^“”\n]*”|「[^「」\n]*」|『[^『』\n]*』|‘[^‘’\n]*’|《[^《》\n]*》|«[^«»\n]*»|^[ \t]*>.*$/gm, ' ')
