/** The browser's storage, or the page's own memory where the browser has none for us. */
import { memoryStore, type Store } from '../outbox.ts'

export const keeping: Store = available() ?? memoryStore()

function available(): Store | undefined {
  try {
    localStorage.setItem('nexus.probe', '1')
    localStorage.removeItem('nexus.probe')
    return localStorage
  } catch {
    return undefined // forbidden or full: the chat works, a reload forgets
  }
}
