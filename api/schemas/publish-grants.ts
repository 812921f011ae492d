import { z } from 'zod'
import { clusterName, namespaceName } from '#mesh/names.ts'
import { timestamp } from './common.ts'
import { kindName } from './configuration.ts'

const any = z.literal('*')

/** What a cluster may publish mesh-wide. */
export const publishGrant = z
  .object({
    id: z.string(),
    cluster: clusterName,
    namespace: z.string().describe('`*` = every namespace.'),
    kind: z.string().describe('`*` = every kind that can be published.'),
    createdAt: timestamp,
  })
  .meta({ id: 'PublishGrant' })
export type PublishGrant = z.infer<typeof publishGrant>

export const createPublishGrantBody = z.strictObject({
  cluster: clusterName,
  namespace: z.union([any, namespaceName]).describe('One namespace, or `*`.'),
  kind: kindName.describe('One kind, such as `VirtualService`, or `*`.'),
})
