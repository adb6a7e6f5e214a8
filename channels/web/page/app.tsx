/** The page's rooms: what was talked about before at the side, the conversation in the middle. */
import { signal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { about, learn } from './about.ts'
import { Announcer } from './announcer.tsx'
import { Banner } from './banner.tsx'
import { Composer } from './composer.tsx'
import { Header } from './header.tsx'
import { keeping } from './keeping.ts'
import { loadRich } from './rich.ts'
import { transcript } from './session.ts'
import { Sidebar } from './sidebar.tsx'
import { Thread } from './thread.tsx'
import { Welcome } from './welcome.tsx'

const media = matchMedia('(min-width: 56rem)')
const wide = signal(media.matches)
media.addEventListener('change', ({ matches }) => (wide.value = matches))
const sideOpen = signal(media.matches && keeping.getItem('nexus.side') !== 'closed')

function toggleSide(): void {
  sideOpen.value = !sideOpen.value
  if (wide.value) keeping.setItem('nexus.side', sideOpen.value ? 'open' : 'closed')
}
/** On a phone the list lies over the conversation, so choosing one puts it away. */
const chosen = (): void => {
  if (!wide.value) sideOpen.value = false
}

export function App() {
  useEffect(() => {
    void learn()
    void loadRich()
  }, [])
  const { value: t } = transcript
  const empty = !t || (t.messages.length === 0 && t.outgoing.length === 0 && t.notes.length === 0 && !t.reply)
  return (
    <div class={`app ${sideOpen.value ? 'side-open' : ''}`}>
      <a class="skip" href="#composer" onClick={toComposer}>
        Skip to the message field
      </a>
      {sideOpen.value && <Sidebar current={t?.conversation} over={!wide.value} close={toggleSide} chosen={chosen} />}
      <div class="stage" inert={sideOpen.value && !wide.value}>
        <Header name={about.value.name} sideOpen={sideOpen.value} toggleSide={toggleSide} />
        <Banner />
        {empty || !t ? <Welcome about={about.value} /> : <Thread key={t.conversation} transcript={t} />}
        <Composer conversation={t?.conversation} />
      </div>
      <Announcer />
    </div>
  )
}

/** The address belongs to the conversation, so the skip link moves the focus by itself. */
function toComposer(event: Event): void {
  event.preventDefault()
  document.getElementById('composer')?.focus()
}
