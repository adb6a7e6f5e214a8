/** uvu has no limit of its own: whatever could hang fails here, and says what it was. */
export async function within<T>(ms: number, promise: Promise<T>, what = 'it'): Promise<T> {
  let due: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    due = setTimeout(() => reject(new Error(`${what} did not happen within ${ms} ms`)), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(due)
  }
}
