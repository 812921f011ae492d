import { AtollError } from '#api/atoll-error.ts'
import { getConfigurationObject } from '#api/routes/configuration.ts'
import type { ApplyResult, ObjectStatus } from '#api/schemas/configuration.ts'
import { parseObjectKey } from '#mesh/config-object.ts'
import type { CliContext } from '../cli-context.ts'

/** Each is a request. */
const MAX_ASKED = 20

/** What a cluster says against an object of the mesh, such as that one of its own holds instead. */
export interface ObjectTrouble {
  readonly key: string
  readonly cluster: string
  readonly condition: ObjectStatus['conditions'][number]
}

/** How long clusters are waited for that have told of an object before they had the revision. */
const JUDGEMENT_GRACE_MS = 5_000
const ASK_AGAIN_MS = 500

/**
 * What clusters say of the objects that a write named: proxies may have all of a revision, and one of its objects still no effect
 * somewhere. A cluster says it a second or two after it has the revision: what it said before then is left out.
 */
export const findObjectTroubles = async (
  context: CliContext,
  mesh: string,
  { revision, changes }: Pick<ApplyResult, 'revision' | 'changes'>,
): Promise<readonly ObjectTrouble[]> => {
  const { now, sleep } = context.io
  const present = changes.filter(({ action }) => action !== 'deleted').slice(0, MAX_ASKED)
  const deadline = now() + JUDGEMENT_GRACE_MS
  for (;;) {
    const said = (await Promise.all(present.map(({ key }) => readStatus(context, mesh, key)))).flat()
    const judged = said.filter(({ status }) => (status.revision ?? revision) >= revision)
    if (judged.length === said.length || now() >= deadline)
      return judged.flatMap(({ key, status: { cluster, conditions } }) =>
        conditions.map((condition) => ({ key, cluster, condition })),
      )
    await sleep(ASK_AGAIN_MS)
  }
}

const readStatus = async (
  context: CliContext,
  mesh: string,
  key: string,
): Promise<readonly { readonly key: string; readonly status: ObjectStatus }[]> => {
  const { kind = '', namespace = '', name = '' } = parseObjectKey(key) ?? {}
  try {
    const params = { mesh, kind, namespace, name }
    const { status: said = [] } = await context.client().call(getConfigurationObject, { params })
    return said.map((status) => ({ key, status }))
  } catch (error) {
    // The write has succeeded, and what is asked here only adds to that.
    if (error instanceof AtollError) return []
    throw error
  }
}

export const toTroubleLine = ({ key, cluster, condition: { type, status, reason, message } }: ObjectTrouble): string =>
  `in ${cluster} ${key.replace('/', ' ')} has ${type}=${status} (${reason}): ${message}`
