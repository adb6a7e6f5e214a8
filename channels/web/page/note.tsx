import type { Note } from '../transcript.ts'
import { Again, Warning } from './icons.tsx'
import { retry } from './session.ts'

const stopped: Record<string, string> = {
  'user.stopped': 'You stopped this reply',
  'message.interrupted': 'Interrupted by your next message',
  'operator.claimed': 'Stopped, because a person took over',
}

/** What happened between two messages, said as it is: a failure is called one. */
export function NoteLine({ note: { kind, text, code }, last }: { note: Note; last: boolean }) {
  switch (kind) {
    case 'failed':
      return (
        <div class="note failed" role="alert" data-testid="failed">
          <Warning />
          <span>
            {text || 'No answer could be given.'} <small dir="ltr">{code}</small>
          </span>
          {last && (
            <button type="button" onClick={retry} data-testid="retry">
              <Again />
              Try again
            </button>
          )}
        </div>
      )
    case 'stopped':
      return (
        <p class="note" data-testid="stopped">
          {stopped[code ?? ''] ?? 'The reply was stopped'}
        </p>
      )
    case 'joined':
      return <p class="note">{text} joined</p>
    case 'left':
      return <p class="note">{text} left; back to the assistant</p>
    case 'cleared':
      return <p class="note">The history was cleared</p>
  }
}
