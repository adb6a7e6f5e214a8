import { memoryNetwork } from '../../../runtime/cluster/carrier.memory.ts'
import { notifyCarrier } from '../../../runtime/cluster/carrier.notify.ts'
import { redisCarrier } from '../../../runtime/cluster/carrier.redis.ts'
import { silent as log } from '../../../runtime/watch/log.ts'
import { openDatabase } from '../../../sql/database.ts'
import { keepsCarrierContract } from '../../contracts/carrier.ts'
import { leftOut } from '../../support/left-out.ts'

const { TEST_REDIS_URL: redis, TEST_DATABASE_URL: postgres } = process.env

const network = memoryNetwork()
keepsCarrierContract({ name: 'memory', open: async (node) => network.carrier(node), knows: true })

if (!redis) leftOut('letters by Redis: TEST_REDIS_URL is not set')
else keepsCarrierContract({ name: 'redis', open: async () => redisCarrier({ url: redis, log }), knows: true })

if (!postgres) leftOut('letters by NOTIFY: TEST_DATABASE_URL is not set')
else
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
