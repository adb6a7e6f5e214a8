/** What became of the waits that faults have caused. */

/** One wait: from a fault to the next word. Milliseconds since 1970, with fractions. */
export interface Recovery {
  struck: number
  spoke: number
}

export interface Recoveries {
  /** Milliseconds from each fault to the next word. */
  all: number[]
  /** Milliseconds since everything was there again, of words that came only then. */
  back: number[]
  /** Silences beyond the patience though everything was there. */
  late: number[]
}

/** `readies`: when everything was there again, in order. */
export function recoveriesOf(waits: readonly Recovery[], readies: readonly number[], patience: number): Recoveries {
  const silence = waits.map(({ struck, spoke }) => spoke - Math.max(struck, readies.findLast((ready) => ready < spoke) ?? 0))
  return {
    all: waits.map(({ struck, spoke }) => spoke - struck),
    back: waits.flatMap(({ struck, spoke }) => {
      const ready = readies.find((at) => at > struck)
      return ready !== undefined && ready < spoke ? [spoke - ready] : []
    }),
    late: silence.filter((ms) => ms > patience),
  }
}
