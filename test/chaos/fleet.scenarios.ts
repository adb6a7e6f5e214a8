/** Everything that is done to a fleet: `npm run chaos -- --nodes 3`. */
import type { FleetScenario } from './fleet.scenario.ts'
import { nodeScenarios } from './fleet.scenarios.nodes.ts'
import { peopleScenarios } from './fleet.scenarios.people.ts'
import { storeScenarios } from './fleet.scenarios.stores.ts'

export const fleetScenarios: readonly FleetScenario[] = [...nodeScenarios, ...storeScenarios, ...peopleScenarios]
