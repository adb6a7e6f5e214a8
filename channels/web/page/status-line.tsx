import { remarksOf } from '../status.ts'
import type { Transcript } from '../transcript.ts'

/** Who does what right now, from real events; how the question was sorted stands beside it. */
export function StatusLine({ transcript: { current, turns }, sentence }: { transcript: Transcript; sentence: string | undefined }) {
  const turn = current === undefined ? undefined : turns[current]
  const aside = [...(turn?.difficulty ? [`sorted as ${turn.difficulty}`] : []), ...remarksOf(turn)].join(' · ')
  return (
    <p class={sentence ? 'status busy' : 'status'} data-testid="status">
      {sentence && <span class="pulse" aria-hidden="true" />}
      {sentence && <span class="sentence">{sentence}</span>}
      {sentence && aside && <span class="aside">{aside}</span>}
    </p>
  )
}
