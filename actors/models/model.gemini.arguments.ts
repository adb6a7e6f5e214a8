/** Gemini may send a call's arguments value by value, each with its path: `$.city`, `$.stops[0].name`. */
export interface PartialArg {
  jsonPath?: string
  stringValue?: string
  numberValue?: number
  boolValue?: boolean
  nullValue?: string
}

type Tree = Record<string | number, unknown>

/** Puts one value into its place; text for a place that already holds text is appended. */
export function put(args: Record<string, unknown>, part: PartialArg): void {
  const steps = [...(part.jsonPath ?? '').matchAll(/\.([^.[\]]+)|\[(\d+)\]|\['([^']*)'\]/g)].map((m) =>
    m[2] === undefined ? (m[1] ?? m[3] ?? '') : Number(m[2]),
  )
  const last = steps.at(-1)
  if (last === undefined || steps.some((step) => step === '__proto__')) return
  let at = args as Tree
  for (const [i, step] of steps.slice(0, -1).entries()) {
    at[step] ??= typeof steps[i + 1] === 'number' ? [] : {}
    if (typeof at[step] !== 'object' || at[step] === null) return
    at = at[step] as Tree
  }
  const value = part.stringValue ?? part.numberValue ?? part.boolValue ?? null
  at[last] = typeof value === 'string' && typeof at[last] === 'string' ? at[last] + value : value
}
