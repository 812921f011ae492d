import { AtollError } from '#api/atoll-error.ts'
import type { ConfigObject } from '#mesh/config-object.ts'
import type { Problem, ProblemCode } from '#mesh/problem.ts'
import { publisherOf, PUBLISHED_BY_ANNOTATION } from '#mesh/publishing/publish-annotations.ts'
import type { ObjectWrite } from '../mesh/configuration.ts'
import type { DocumentDiff } from '../mesh/revisions.ts'
import type { BaseConfiguration } from './base-configuration.ts'
import type { WritePlan } from './write-configuration.ts'

/** What clusters publish is theirs: it is changed where it lives, and nothing that is asked of the API touches it without a word. */

const warn = (
  { kind, metadata }: ConfigObject,
  message: string,
  code: ProblemCode = 'conflict',
  path = '',
): Problem => ({
  code,
  severity: 'warning',
  object: { kind, namespace: metadata.namespace, name: metadata.name },
  path,
  message,
})

/** Of an apply: objects that say that a cluster publishes them (the output of `atoll get`) are left out. */
export const leaveOutPublished = (
  objects: readonly ConfigObject[],
): { readonly objects: readonly ConfigObject[]; readonly warnings: readonly Problem[] } => ({
  objects: objects.filter(({ metadata }) => publisherOf(metadata) === undefined),
  warnings: objects.flatMap((object) => {
    const cluster = publisherOf(object.metadata)
    if (cluster === undefined) return []
    const message = `the cluster ${cluster} publishes it, so it is left out: change it there, or take this annotation away to have one of the mesh's own before it`
    return [warn(object, message, 'conflict', `metadata.annotations["${PUBLISHED_BY_ANNOTATION}"]`)]
  }),
})

/** The objects of a write that stand before one that a cluster publishes from now on. */
export const findShadowed = (base: BaseConfiguration, upserts: readonly ObjectWrite[]): Problem[] =>
  upserts.flatMap(({ key, object }) => {
    const present = base.objects.get(key)?.object
    const cluster = present && publisherOf(present.metadata)
    if (cluster === undefined) return []
    return [warn(object, `it stands before the object of this name that the cluster ${cluster} publishes`)]
  })

/** @throws AtollError `conflict` for an object that lives in a cluster. */
export const refusePublished = (key: string, { metadata }: ConfigObject): void => {
  const cluster = publisherOf(metadata)
  if (cluster === undefined) return
  throw new AtollError(
    'conflict',
    `${key} lives in the cluster ${cluster}, which publishes it: delete it there, or revoke the grant ("atoll publish list")`,
  )
}

const parse = (document: string | null): ConfigObject | null =>
  document === null ? null : (JSON.parse(document) as ConfigObject)

/** Of a rollback (`before`: as it is now, `after`: as it was): what clusters publish now stays, and what they published then does not come back. */
export const planRollback = (diff: readonly DocumentDiff[]): WritePlan => {
  const upserts: ObjectWrite[] = []
  const deletes: string[] = []
  const warnings: Problem[] = []
  for (const { key, before, after } of diff) {
    const now = parse(before)
    const then = parse(after)
    const publisher = now ? publisherOf(now.metadata) : undefined
    const publisherThen = then ? publisherOf(then.metadata) : undefined
    if (then && publisherThen === undefined) upserts.push({ key, object: then })
    else if (now && publisher === undefined) deletes.push(key)
    else if (now) warnings.push(warn(now, `the cluster ${publisher} publishes it: it stays as it is there`))
    if (then && publisherThen !== undefined && publisher === undefined)
      warnings.push(warn(then, `the cluster ${publisherThen} published it then: it comes back when it does so again`))
  }
  return { upserts, deletes, warnings }
}
