/** The second wall: whatever the renderer lets through by mistake, only these elements reach the page. */
import purify from 'dompurify'

const plain = ['rel', 'target', 'dir', 'class', 'type', 'tabindex', 'role', 'aria-label', 'start', 'data-copy', 'data-language']

const allowed = {
  ALLOWED_TAGS: 'p br hr h1 h2 h3 h4 h5 h6 strong em s code pre a span div ul ol li blockquote table thead tbody tr th td button sup'.split(
    ' ',
  ),
  ALLOWED_ATTR: ['href', ...plain],
  ADD_URI_SAFE_ATTR: plain, // else their values, too, would have to look like addresses
  ALLOW_DATA_ATTR: false,
  ALLOWED_URI_REGEXP: /^(?:https?:\/\/|mailto:)/i,
}

export const wall = (html: string): string => purify.sanitize(html, allowed)
