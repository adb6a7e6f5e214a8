/** What the people at the sockets do. */
export interface Scenario {
  name: string
  about: string
  /** Messages at once, whenever it is their turn to speak; 0 says nothing. */
  says: number
  /** Stops answers while they are written. */
  stops?: true
  /** Stops reading for a while, while an answer is written. */
  stalls?: true
  /** Loses its connection with all the others of its kind. */
  storms?: true
}

export const scenarios: readonly Scenario[] = [
  { name: 'idle', about: 'connected and joined, says nothing', says: 0 },
  { name: 'chat', about: 'one message, and no other before its end while somebody else is free', says: 1 },
  { name: 'burst', about: 'three messages at once', says: 3 },
  { name: 'storm', about: 'chat, and every socket loses its connection at once, every --storm-every seconds', says: 1, storms: true },
  { name: 'stop', about: 'chat, and answers are stopped while they are written', says: 1, stops: true },
  { name: 'reader', about: 'chat, and stops reading for up to two seconds while an answer is written', says: 1, stalls: true },
]

export const scenarioNamed = (name: string): Scenario | undefined => scenarios.find((one) => one.name === name)

export interface Share {
  scenario: string
  weight: number
}

export const shareText = (shares: readonly Share[]): string =>
  shares.map(({ scenario, weight }) => (shares.length === 1 ? scenario : `${scenario}:${weight}`)).join(',')

export interface Role {
  scenario: Scenario
  /** Which address comes first. */
  place: number
}

/** Who plays what, one for each socket: every stretch of the list has its shares, and the sockets of each scenario go to all addresses alike. */
export function cast(sockets: number, shares: readonly Share[]): Role[] {
  const whole = shares.reduce((sum, { weight }) => sum + weight, 0)
  const parts = shares.map(({ scenario, weight }, at) => ({ scenario: scenarioNamed(scenario) as Scenario, weight, credit: 0, place: at }))
  return Array.from({ length: sockets }, () => {
    for (const part of parts) part.credit += part.weight
    const next = parts.reduce((best, part) => (part.credit > best.credit ? part : best))
    next.credit -= whole
    return { scenario: next.scenario, place: next.place++ }
  })
}
