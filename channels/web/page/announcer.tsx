import { useEffect, useRef, useState } from 'preact/hooks'
import { transcript } from './session.ts'

/** Speaks the beginning and the end of a reply. Nobody wants to hear every word as it arrives. */
export function Announcer() {
  const replying = transcript.value?.reply !== undefined
  const before = useRef(replying)
  const [said, say] = useState('')
  useEffect(() => {
    if (replying !== before.current) say(replying ? 'Assistant is replying' : 'Reply complete')
    before.current = replying
  }, [replying])
  return (
    <div class="unseen" role="status" aria-live="polite" data-testid="announcer">
      {said}
    </div>
  )
}
