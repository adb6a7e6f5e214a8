import { within } from './within.ts'

/** Waits for a thing to be true, looking again whenever the loop comes round. */
export const until = (what: () => unknown, name = 'it', ms = 10_000): Promise<void> => {
  let over = false
  const look = async () => {
    while (!over && !(await what())) await new Promise((resolve) => setTimeout(resolve, 1))
  }
  return within(ms, look(), name).finally(() => {
    over = true
  })
}
