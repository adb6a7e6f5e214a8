/** When an event happened. Machines read no clock: the host stamps everything it delivers with `at`, milliseconds since 1970. */
export const timeOf = (event: object): number => (event as { at?: number }).at ?? 0
