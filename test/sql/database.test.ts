import { keepsDatabaseContract } from '../contracts/database.ts'
import { stores } from '../support/postgres.ts'

for (const variant of stores()) keepsDatabaseContract(variant)
