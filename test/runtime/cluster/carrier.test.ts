import { memoryNetwork } from '../../../runtime/cluster/carrier.memory.ts'
import { notifyCarrier } from '../../../runtime/cluster/carrier.notify.ts'
import { redisCarrier } from '../../../runtime/cluster/carrier.redis.ts'
import { silent as log } from '../../../runtime/watch/log.ts'
import { openDatabase } from '../../../sql/database.ts'
import { keepsCarrierContract } from '../../contracts/carrier.ts'

const { TEST_REDIS_URL: redis, TEST_DATABASE_URL: postgres } = process.env
console.log(
  `carriers: memory; ${redis ? 'redis' : 'no redis, TEST_REDIS_URL is not set'}; ${postgres ? 'notify' : 'no notify, TEST_DATABASE_URL is not set'}`,
)

const network = memoryNetwork()
keepsCarrierContract({ name: 'memory', open: async (node) => network.carrier(node), knows: true })

if (redis) keepsCarrierContract({ name: 'redis', open: async () => redisCarrier({ url: redis, log }), knows: true })

if (postgres)
  keepsCarrierContract({
    name: 'notify',
    async open() {
      const db = await openDatabase({ url: postgres, max: 2 })
      const carrier = notifyCarrier({ db, url: postgres, log })
      return {
        ...carrier,
        async close() {
          await carrier.close()
          await db.close()
        },
      }
    },
    knows: false,
  })
