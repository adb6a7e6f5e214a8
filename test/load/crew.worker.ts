/** A crew in a process of its own, asked by `startCrew`. */
import { serve } from '../bench/worker.ts'
import { type CrewNeeds, type HereCrew, createCrew } from './crew.ts'

let crew: HereCrew | undefined
const ours = (): HereCrew => {
  if (!crew) throw new Error('nobody has been gathered yet')
  return crew
}

// Ctrl-C at a terminal reaches the whole group; it is for whoever started us to say what it means.
process.on('SIGINT', () => {})

serve({
  gather: (needs: CrewNeeds) => {
    crew = createCrew(needs)
  },
  connect: () => ours().connect(),
  speak: (at: number) => ours().speak(at),
  settle: () => ours().settle(),
  stop: () => ours().stop(),
  progress: () => ours().progress(),
  close: () => ours().close(),
})
