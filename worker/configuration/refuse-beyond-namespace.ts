import { AtollError } from '#api/atoll-error.ts'
import { parseObjectKey } from '#mesh/config-object.ts'
import type { ConfigObject } from '#mesh/config-object.ts'
import type { Problem } from '#mesh/problem.ts'
import { findOverreach } from '#mesh/publishing/find-overreach.ts'
import type { Overreach, Reach } from '#mesh/publishing/find-overreach.ts'
import type { CommitRequest } from '../mesh/configuration.ts'
import type { MeshStore } from '../mesh/mesh-store.ts'
import type { BaseConfiguration } from './base-configuration.ts'
import { namespacesByHost, toCovering } from './host-holders.ts'

/** Hosts that the store is asked about at once: with the wildcards that cover them some megabyte. */
const ASKED_TOGETHER = 50

/**
 * Throws AtollError `forbidden`, naming each object, when a write goes beyond what is one namespace's: other namespaces, the root
 * namespace, and what has effects beyond its own, be it as it was or as it is to be. What reaches how far is judged as for a cluster that
 * may publish for one namespace. docs/decisions/0024-who-may-do-what.md
 */
export const refuseBeyondNamespace = async (
  store: Pick<MeshStore, 'findNamespacesOf'>,
  base: BaseConfiguration,
  { upserts, deletes }: Pick<CommitRequest, 'upserts' | 'deletes'>,
  namespace: string,
): Promise<void> => {
  const { domainSuffix, defaults } = base
  const reach = { domainSuffix, rootNamespace: defaults.rootNamespace }
  const isHeldElsewhere = await findHeldElsewhere(store, base, upserts, reach)
  const judge = (key: string, object: ConfigObject | undefined, holds: Reach['isHeldElsewhere']): Problem[] => {
    const named = parseObjectKey(key)
    const fault =
      findOutside(named?.namespace, namespace, reach.rootNamespace) ??
      (object && (findCode(object) ?? findOverreach(object, { ...reach, isHeldElsewhere: holds })))
    return fault ? [{ ...fault, code: 'forbidden', severity: 'error', ...(named && { object: named }) }] : []
  }
  const problems = [
    ...upserts.flatMap(({ key, object }) => {
      const held = base.objects.get(key)
      const isNew = judge(key, object, (host, of) => held?.hosts.has(host) !== true && isHeldElsewhere(host, of))
      return isNew.length > 0 ? isNew : judge(key, held?.object, () => false)
    }),
    ...deletes.flatMap((key) => judge(key, base.objects.get(key)?.object, () => false)),
  ]
  if (problems.length > 0)
    throw new AtollError('forbidden', `the token is confined to the namespace ${namespace}; nothing was changed`, {
      problems,
    })
}

/** What proxies run is not a namespace's to say: they have its identity, and what they are told of others. By providers the mesh's settings say who may. */
const findCode = ({ kind }: ConfigObject): Overreach | undefined => {
  const article = codeKinds.get(kind)
  return article === undefined
    ? undefined
    : {
        path: 'kind',
        message: `${article} ${kind} may have proxies run any code: name an extension provider instead, in a ProxyExtension`,
      }
}

const codeKinds: ReadonlyMap<string, string> = new Map([
  ['EnvoyFilter', 'an'],
  ['WasmPlugin', 'a'],
])

const findOutside = (of: string | undefined, namespace: string, rootNamespace: string): Overreach | undefined => {
  if (of !== namespace) return { path: 'metadata.namespace', message: 'it is not an object of this namespace' }
  if (of === rootNamespace)
    return { path: 'metadata.namespace', message: 'the root namespace is that of the whole mesh' }
  return undefined
}

/** A first run over the written objects tells which hosts they name that are no namespace's by name. */
const findHeldElsewhere = async (
  store: Pick<MeshStore, 'findNamespacesOf'>,
  base: BaseConfiguration,
  upserts: CommitRequest['upserts'],
  reach: Pick<Reach, 'domainSuffix' | 'rootNamespace'>,
): Promise<Reach['isHeldElsewhere']> => {
  const hosts = new Set<string>()
  for (const { object } of upserts) findOverreach(object, { ...reach, isHeldElsewhere: (host) => !hosts.add(host) })
  const asked = [...hosts]
  const holders = new Map([...namespacesByHost(base)].map(([host, namespaces]) => [host, new Set(namespaces)]))
  for (let start = 0; start < asked.length; start += ASKED_TOGETHER) {
    const names = asked.slice(start, start + ASKED_TOGETHER).flatMap(toCovering)
    for (const { hostname, namespace } of await store.findNamespacesOf([...new Set(names)]))
      holders.set(hostname, new Set([...(holders.get(hostname) ?? []), namespace]))
  }
  return (host, namespace) =>
    toCovering(host).some((name) => [...(holders.get(name) ?? [])].some((each) => each !== namespace))
}
