import { useState } from 'preact/hooks'
import { copy } from './copy.ts'
import { Check, Copy } from './icons.tsx'

export function CopyButton({ text }: { text: string }) {
  const [done, setDone] = useState(false)
  const take = async () => {
    setDone(await copy(text))
    setTimeout(() => setDone(false), 1_600)
  }
  return (
    <button
      type="button"
      class="tool small"
      aria-label={done ? 'Copied' : 'Copy answer'}
      title={done ? 'Copied' : 'Copy'}
      onClick={take}
      data-testid="copy"
    >
      {done ? <Check /> : <Copy />}
    </button>
  )
}
