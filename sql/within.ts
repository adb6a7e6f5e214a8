/** The work's own end, or after so many milliseconds whatever `late` answers or throws. The work itself goes on. */
export async function within<T>(ms: number, work: PromiseLike<T>, late: () => T): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const over = new Promise<T>((resolve, reject) => {
    timer = setTimeout(() => {
      try {
        resolve(late())
      } catch (why) {
        reject(why)
      }
    }, ms)
  })
  try {
    return await Promise.race([work, over])
  } finally {
    clearTimeout(timer)
  }
}
