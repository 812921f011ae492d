import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'
import { fieldManager } from './kubernetes-api.ts'
import type { FoundObject, KubernetesApi } from './kubernetes-api.ts'
import type { KubernetesObject, ResourceType } from './kubernetes-object.ts'

/** A definition as upstream wrote it, and what lists its objects. */
export interface UpstreamDefinition {
  /** The file's text, with its comments. */
  readonly text: string
  readonly object: KubernetesObject
  readonly type: ResourceType
}

const definition = z.looseObject({
  apiVersion: z.string(),
  kind: z.literal('CustomResourceDefinition'),
  metadata: z.looseObject({ name: z.string() }),
  spec: z.looseObject({
    group: z.string(),
    names: z.looseObject({ plural: z.string() }),
    versions: z.array(z.looseObject({ name: z.string(), storage: z.boolean() })),
  }),
})

/** Upstream's CustomResourceDefinitions, unmodified. */
export const readUpstreamDefinitions = (folder: string): readonly UpstreamDefinition[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => {
      const text = readFileSync(join(folder, name), 'utf8')
      const object = definition.parse(parse(text))
      const { group, names, versions } = object.spec
      const version = versions.find(({ storage }) => storage)?.name ?? ''
      return { text, object, type: { group, version, resource: names.plural } }
    })

/** The API server itself owns the conditions in a definition's status. */
const ourManagers = [fieldManager, 'kube-apiserver']

/** Whether nobody but us has written a definition: what Istio or a person installed, or took over, is left alone. */
export const isOurs = ({ metadata: { managedFields } }: FoundObject): boolean =>
  managedFields.length > 0 && managedFields.every(({ manager = '' }) => ourManagers.includes(manager))

/** Who has written a definition that is not ours, for messages. */
export const toOwner = ({ metadata: { managedFields } }: FoundObject): string =>
  managedFields.map(({ manager = '' }) => manager).find((manager) => !ourManagers.includes(manager)) ?? 'somebody'

/** Those of upstream's definitions that a cluster lacks or has from us: the ones that are ours to write. */
export const selectOwnDefinitions = async (
  api: KubernetesApi,
  definitions: readonly UpstreamDefinition[],
): Promise<readonly UpstreamDefinition[]> => {
  const own = await Promise.all(
    definitions.map(async (upstream) => {
      const found = await api.find(upstream.object)
      return found === undefined || isOurs(found) ? [upstream] : []
    }),
  )
  return own.flat()
}
