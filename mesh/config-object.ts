import { z } from 'zod'

/**
 * A configuration object as people write it: Istio's API, Gateway API, MCS, Atoll's own kinds, in Kubernetes' envelope.
 * `spec` is unknown here; `mesh/config` parses it.
 */
export const objectMeta = z.object({
  name: z.string(),
  namespace: z.string(),
  labels: z.record(z.string(), z.string()).optional(),
  annotations: z.record(z.string(), z.string()).optional(),
  /** RFC 3339; Istio settles conflicts between objects by age. Set by the store when an object first appears. */
  creationTimestamp: z.string().optional(),
})
export type ObjectMeta = z.infer<typeof objectMeta>

export const configObject = z.object({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: objectMeta,
  spec: z.record(z.string(), z.unknown()),
})
export type ConfigObject = z.infer<typeof configObject>

/** A configuration object whose spec has been parsed by its kind's schema. */
export type Configured<Spec> = Omit<ConfigObject, 'spec'> & { readonly spec: Spec }

/**
 * One of a kind that adds up: the mesh's and the cluster's own of one key are both in force, and are told apart by where they come
 * from.
 */
export type Sourced<Spec> = Configured<Spec> & { readonly origin: Origin }

/** "<kind>/<namespace>/<name>"; the API group is implied by the kind (kinds of one name in two groups carry the group: "Gateway.networking.istio.io/…"). */
export type ObjectKey = string & { readonly __brand: 'ObjectKey' }

export const toObjectKey = (kind: string, namespace: string, name: string): ObjectKey =>
  `${kind}/${namespace}/${name}` as ObjectKey

/** What an object's key names; undefined = it is no key. */
export const parseObjectKey = (
  key: string,
): { readonly kind: string; readonly namespace: string; readonly name: string } | undefined => {
  const [kind = '', namespace = '', name = '', ...rest] = key.split('/')
  return kind === '' || name === '' || rest.length > 0 ? undefined : { kind, namespace, name }
}

export const objectKeyOf = ({ kind, metadata }: Pick<ConfigObject, 'kind' | 'metadata'>): ObjectKey =>
  toObjectKey(kind, metadata.namespace, metadata.name)

/** Where an object comes from (DESIGN §5): the mesh's store, or a cluster's own CRDs or files. */
export type Origin = 'mesh' | 'cluster'
