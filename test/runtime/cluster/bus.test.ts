import { memoryBus } from '../../../runtime/cluster/bus.memory.ts'
import { keepsBusContract } from '../../contracts/bus.ts'

keepsBusContract('memory', async () => memoryBus())
