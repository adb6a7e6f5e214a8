/** By how much a slow machine is given more time. */
export const patience = Number(process.env.TEST_PATIENCE ?? 1)

/** Waits for a promise, but not for ever: uvu has no limit of its own, and a test that hangs says nothing. */
export async function within<T>(ms: number, promise: PromiseLike<T>, what = 'the promise'): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const most = ms * patience
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${most} ms`)), most)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
