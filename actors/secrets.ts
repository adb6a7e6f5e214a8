/** Finds keys that would open something, and leaves alone those that only show what a key looks like. */

const shapes: { name: string; is: RegExp }[] = [
  { name: 'a private key', is: /-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----[\s\\nr]*(?:[A-Za-z-]+: [^\n]*\n)*([A-Za-z0-9+/=\s\\]{100,})/g },
  { name: 'an API key', is: /\b(sk-(?:proj-|ant-[a-z0-9]+-|or-v1-|svcacct-)?[A-Za-z0-9_-]{20,})/g },
  { name: 'an AWS key', is: /\b((?:AKIA|ASIA)[0-9A-Z]{16})\b/g },
  { name: 'a GitHub token', is: /\b(gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,})/g },
  { name: 'a GitLab token', is: /\b(glpat-[A-Za-z0-9_-]{20,})/g },
  { name: 'a Slack token', is: /\b(xox[abeprs]-[A-Za-z0-9-]{20,})/g },
  { name: 'a Google key', is: /\b(AIza[0-9A-Za-z_-]{35})/g },
  { name: 'a Stripe key', is: /\b([rs]k_live_[0-9A-Za-z]{20,})/g },
  { name: 'a Hugging Face token', is: /\b(hf_[A-Za-z0-9]{30,})/g },
  { name: 'an npm token', is: /\b(npm_[A-Za-z0-9]{36})\b/g },
  { name: 'a password in an address', is: /\b[a-z][a-z+]{1,20}:\/\/[^\s:/@]{1,60}:([^\s@/<>{}$]{12,80})@/g },
]

/** What kind of secret a text gives away, or undefined. What stands in `known` is nothing new to its reader. */
export function secretIn(text: string, known = ''): string | undefined {
  for (const { name, is } of shapes) {
    for (const [, secret = ''] of text.matchAll(is)) if (!known.includes(secret.trim()) && isReal(secret)) return name
  }
  return undefined
}

/** Keys are drawn by lot; examples are words, rows of digits, or the same sign many times. */
function isReal(secret: string): boolean {
  if (
    /example|sample|your|dummy|fake|test(?:ing)?[-_]|placeholder|changeme|password|secret|redacted|x{4}|\.{3}|\*{3}|0{5}|1234|abcd/i.test(
      secret,
    )
  )
    return false
  return new Set(secret).size >= 10 && /\d/.test(secret) && /[a-z]/i.test(secret)
}
