/** A process of its own, for what can only be shown by ending one: its code is a module, written where the test stands. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** `flags` are of the runtime. */
export function child(code: string, flags: string[] = []) {
  const process_ = spawn(process.execPath, [...flags, '--import', 'tsx', '--input-type=module', '--eval', code], {
    cwd: root,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const lines = createInterface({ input: process_.stdout })[Symbol.asyncIterator]()
  let complaints = ''
  process_.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaints += text
  })
  // A test that fails on the way must not leave it behind.
  const sweep = () => process_.kill('SIGKILL')
  process.once('exit', sweep)
  const ended = new Promise<string>((resolve) =>
    process_.once('close', (code, signal) => {
      process.off('exit', sweep)
      resolve(`${code ?? signal}\n${complaints}`)
    }),
  )
  return {
    pid: process_.pid!,
    /** How it ended: its exit code or signal, and what it complained about. */
    ended,
    /** Its next line; undefined when it has no more. */
    line: async (): Promise<string | undefined> => (await lines.next()).value as string | undefined,
    async kill(): Promise<string> {
      process_.kill('SIGKILL')
      return ended
    },
  }
}
