import { line, transcript } from './session.ts'

/** Says that the line is down, once it has been for long enough, and what becomes of what was written. */
export function Banner() {
  const { late, state, reason } = line.value
  const waiting = transcript.value?.outgoing.filter(({ failed }) => failed === undefined).length ?? 0
  if (!late) return null
  const what = state === 'refused' ? `The server declined: ${reason ?? 'no reason given'}` : 'No connection. Trying again'
  const then = waiting > 0 ? ` ${waiting === 1 ? 'Your message is' : `${waiting} messages are`} kept and will be sent.` : ''
  return (
    <div class="banner" role="status" data-testid="banner">
      {what}
      {state === 'refused' ? '' : '…'}
      {then}
    </div>
  )
}
