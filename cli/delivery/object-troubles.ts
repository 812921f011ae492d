import { AtollError } from '#api/atoll-error.ts'
import { getConfigurationObject } from '#api/routes/configuration.ts'
import type { ObjectChange, ObjectStatus } from '#api/schemas/configuration.ts'
import type { CliContext } from '../cli-context.ts'

/** Each is a request. */
const MAX_ASKED = 20

/** What a cluster says against an object of the mesh, such as that one of its own holds instead. */
export interface ObjectTrouble {
  readonly key: string
  readonly cluster: string
  readonly condition: ObjectStatus['conditions'][number]
}

/**
 * What clusters have said of the objects that a write named: proxies may have all of a revision, and one of its objects still no effect
 * somewhere. A cluster says it a second or two after it has the revision.
 */
export const findObjectTroubles = async (
  context: CliContext,
  mesh: string,
  changes: readonly ObjectChange[],
): Promise<readonly ObjectTrouble[]> => {
  const present = changes.filter(({ action }) => action !== 'deleted').slice(0, MAX_ASKED)
  const troubles = await Promise.all(
    present.map(async ({ key }): Promise<readonly ObjectTrouble[]> => {
      const [kind = '', namespace = '', name = ''] = key.split('/')
      try {
        const params = { mesh, kind, namespace, name }
        const { status = [] } = await context.client().call(getConfigurationObject, { params })
        return status.flatMap(({ cluster, conditions }) => conditions.map((condition) => ({ key, cluster, condition })))
      } catch (error) {
        // The write has succeeded, and what is asked here only adds to that.
        if (error instanceof AtollError) return []
        throw error
      }
    }),
  )
  return troubles.flat()
}

export const toTroubleLine = ({
  key,
  cluster,
  condition: { type, status, reason, message },
}: ObjectTrouble): string => {
  const [kind = '', ...name] = key.split('/')
  return `in ${cluster} ${kind} ${name.join('/')} has ${type}=${status} (${reason}): ${message}`
}
