import { z } from 'zod'
import { configObject } from '#mesh/config-object.ts'
import { clusterName, namespaceName, objectName } from '#mesh/names.ts'
import { condition } from '#mesh/status/condition.ts'
import { meshParams, pageQuery, queryFlag, timestamp } from './common.ts'
import { openEnum } from '../open-enum.ts'
import { shownProblem } from './shown-problem.ts'

export const MAX_CONFIGURATION_BODY_BYTES = 4 * 1024 * 1024
export const MAX_OBJECTS_PER_APPLY = 2_000

export const kindName = z
  .string()
  .min(1)
  .max(128)
  .describe('A kind, such as `VirtualService`; `<Kind>.<group>` where two groups have a kind of that name.')

export const objectParams = meshParams.extend({ kind: kindName, namespace: namespaceName, name: objectName })

export const applyQuery = z.object({
  dryRun: queryFlag('Check and answer what would change; change nothing.'),
  namespace: namespaceName.default('default').describe('For objects that name no namespace.'),
})

const changeAction = openEnum(['created', 'updated', 'deleted', 'unchanged'])
export type ChangeAction = z.infer<typeof changeAction>

export const objectChange = z.object({ key: z.string().describe('`<kind>/<namespace>/<name>`'), action: changeAction })
export type ObjectChange = z.infer<typeof objectChange>

/** What a write to the configuration did. When nothing changed there is no new revision, and `revision` is the newest one. */
export const applyResult = z
  .object({
    revision: z.int().min(0).describe('The revision that this write made; in a dry run the newest one.'),
    changes: z.array(objectChange),
    problems: z
      .array(shownProblem)
      .describe('Warnings; with errors nothing is applied and the answer is `invalid_configuration`.'),
  })
  .meta({ id: 'ApplyResult' })
export type ApplyResult = z.infer<typeof applyResult>

export const storedObject = z
  .object({
    key: z.string(),
    revision: z.int().min(1).describe('The revision that last changed it.'),
    updatedAt: timestamp,
    publishedBy: clusterName
      .nullish()
      .describe('The cluster whose object it is, published by grant: it is changed there. Null = it was applied here.'),
    object: configObject,
  })
  .meta({ id: 'StoredObject' })
export type StoredObject = z.infer<typeof storedObject>

const shownCondition = condition.extend({ status: openEnum(condition.shape.status.options) })

/** What is not as it should be with an object in one cluster. */
export const objectStatus = z
  .object({
    cluster: clusterName,
    revision: z
      .int()
      .min(0)
      .optional()
      .describe('The newest revision at which the cluster has judged its objects; absent: its agent does not tell.'),
    conditions: z.array(shownCondition),
  })
  .meta({ id: 'ObjectStatus' })
export type ObjectStatus = z.infer<typeof objectStatus>

export const objectWithStatus = storedObject
  .extend({
    status: z
      .array(objectStatus)
      .optional()
      .describe('What is not as it should be with it, in each cluster that has found something.'),
  })
  .meta({ id: 'ObjectWithStatus' })

export const listConfigurationQuery = pageQuery.extend({
  kind: kindName.optional(),
  namespace: namespaceName.optional(),
})
