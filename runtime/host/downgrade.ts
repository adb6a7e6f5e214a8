/** One version back: for an operator who returns to the program before, once all nodes of the newer one are stopped. */
import type { Kind } from '../../machines/index.ts'
import type { Database } from '../../sql/database.ts'
import { actorsOfVersion, forgetVersion, putBack } from '../../sql/versions.ts'

const PORTION = 200

/** Returns how many trees went back. Throws a sentence when there is no way, or a node still runs the newer machine. */
export async function downgrade(db: Database, name: string, { version, reversals }: Pick<Kind, 'version' | 'reversals'>): Promise<number> {
  const reverse = reversals[version]
  if (!reverse) throw new Error(`The machine "${name}" has version ${version}, and no way leads back from it.`)
  let back = 0
  for (;;) {
    const trees = await actorsOfVersion(db, name, version, PORTION)
    if (trees.length === 0) break
    const put = await putBack(
      db,
      name,
      version - 1,
      trees.map((one) => ({ ...one, tree: reverse(one.tree) })),
    )
    if (put === 0) throw new Error(`A node still runs version ${version} of "${name}": stop all of them first.`)
    back += put
  }
  await forgetVersion(db, name, version - 1)
  return back
}
