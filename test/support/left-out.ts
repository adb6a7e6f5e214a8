/**
 * Says in one line what cannot be tested here and why; `npm test` repeats it at its end. Where TEST_WHOLE is set, as in CI, everything
 * that can be installed has to be there, and what needs it fails; what is up to the machine (a namespace of the kernel, its limits) may
 * be missing there as well.
 */
export function leftOut(what: string, by: 'setup' | 'machine' = 'setup'): void {
  if (process.env.TEST_WHOLE && by === 'setup') throw new Error(`with TEST_WHOLE nothing is left out: ${what}`)
  console.log(`${MARK}${what}`)
}

const MARK = 'left out: '

/** What a file has left out, by what it has printed. */
export const leftOutOf = (output: string): string[] =>
  output.split('\n').flatMap((line) => (line.startsWith(MARK) ? [line.slice(MARK.length)] : []))
