import type { Part } from '../../../runtime/gateway/protocol.ts'
import { Check, Clock, Warning } from './icons.tsx'
import { discard, resend } from './session.ts'

interface Props {
  id: string
  text: string
  parts?: Part[] | undefined
  /** On its way: a clock. */
  sending?: boolean
  /** Why it was refused. */
  failed?: string | undefined
}

/** What the person said: a clock until the server has it, then a tick, or the reason and a way to try again. */
export function Question({ id, text, parts, sending = false, failed }: Props) {
  const state = failed !== undefined ? 'failed' : sending ? 'sending' : 'sent'
  return (
    <article class={`question ${state}`} data-testid="question" data-state={state}>
      <h3 class="unseen">You</h3>
      <div class="bubble" dir="auto">
        {text}
      </div>
      {parts?.map(({ name, type, url }) => (
        <span key={url ?? name ?? type} class="part">
          {name ?? type}
        </span>
      ))}
      {failed === undefined ? (
        <span class="tick" role="img" aria-label={sending ? 'Sending' : 'Sent'} title={sending ? 'Sending' : 'Sent'}>
          {sending ? <Clock /> : <Check />}
        </span>
      ) : (
        <p class="failure">
          <Warning />
          {failed}
          <button type="button" onClick={() => resend(id)}>
            Resend
          </button>
          <button type="button" onClick={() => discard(id)}>
            Discard
          </button>
        </p>
      )}
    </article>
  )
}
