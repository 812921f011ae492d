import type { RouteHandler } from '@hono/zod-openapi'
import { AtollError } from '#api/atoll-error.ts'
import {
  diffRevision,
  getRevision,
  getRevisionDelivery,
  listRevisions,
  rollBackToRevision,
} from '#api/routes/revisions.ts'
import type { ClusterDelivery, ObjectDiff } from '#api/schemas/revisions.ts'
import { parseObjectKey } from '#mesh/config-object.ts'
import type { ConfigObject } from '#mesh/config-object.ts'
import type { App, AppEnv } from '../app-env.ts'
import { parseIfMatch } from '../configuration/if-match.ts'
import { planRollback } from '../configuration/published-objects.ts'
import { writeConfiguration } from '../configuration/write-configuration.ts'
import type { MeshStore } from '../mesh/mesh-store.ts'
import type { DocumentDiff } from '../mesh/revisions.ts'
import { namespaceOfProxy } from '../namespace-of-proxy.ts'
import { confineFilter, openMesh, toInitiator } from '../open-mesh.ts'
import { firstPlace, highestPlace, parseCursor, toPage } from '../page.ts'
import { found, unwrap } from '../problems.ts'

const parseObject = (document: string | null): ConfigObject | null =>
  document === null ? null : (JSON.parse(document) as ConfigObject)

const toObjectDiff = ({ key, before, after }: DocumentDiff): ObjectDiff => ({
  key,
  action: before === null ? 'created' : after === null ? 'deleted' : 'updated',
  before: parseObject(before),
  after: parseObject(after),
})

/** Diffs are read in parts, so that no answer of the store is too long. */
const DIFF_PART = 500

const readWholeDiff = async (store: MeshStore, from: number, to: number): Promise<DocumentDiff[]> => {
  const diff: DocumentDiff[] = []
  for (;;) {
    const part = unwrap(await store.diffRevisions(from, to, diff.at(-1)?.key ?? '', DIFF_PART))
    diff.push(...part)
    if (part.length < DIFF_PART) return diff
  }
}

/** Of keys of objects: those that whoever is confined to a namespace may see. */
const isOf =
  (namespace: string | undefined) =>
  ({ key }: { readonly key: string }): boolean =>
    namespace === undefined || parseObjectKey(key)?.namespace === namespace

/** Who is confined to a namespace sees how many proxies of others lag, and no more of them. */
const confineDelivery = (delivery: ClusterDelivery, namespace: string | undefined): ClusterDelivery => {
  if (namespace === undefined) return delivery
  const isOwn = (proxy: string) => namespaceOfProxy(proxy) === namespace
  const { laggards, nacks, absent } = delivery
  return {
    ...delivery,
    laggards: laggards.filter(({ proxy }) => isOwn(proxy)),
    nacks: nacks.filter(({ proxy }) => isOwn(proxy)),
    ...(absent && { absent: { ...absent, names: absent.names.filter(isOwn) } }),
  }
}

const listMeshRevisions: RouteHandler<typeof listRevisions, AppEnv> = async (c) => {
  const { store } = await openMesh(c, c.req.valid('param').mesh, confineFilter(c, {}))
  const { limit, cursor } = c.req.valid('query')
  const [before] = parseCursor(cursor, highestPlace)
  return c.json(
    toPage(await store.listRevisions(before, limit + 1), limit, (last) => [last.revision]),
    200,
  )
}

const showRevision: RouteHandler<typeof getRevision, AppEnv> = async (c) => {
  const { mesh, revision } = c.req.valid('param')
  const { store, namespace } = await openMesh(c, mesh, confineFilter(c, {}))
  const shown = found(await store.findRevision(revision), `revision ${revision}`)
  return c.json({ ...shown.revision, changes: shown.changes.filter(isOf(namespace)) }, 200)
}

const compareRevisions: RouteHandler<typeof diffRevision, AppEnv> = async (c) => {
  const { mesh, revision } = c.req.valid('param')
  const { store, namespace } = await openMesh(c, mesh, confineFilter(c, {}))
  const { limit, cursor, against = Math.max(0, revision - 1) } = c.req.valid('query')
  const [after] = parseCursor(cursor, firstPlace)
  const diff = unwrap(await store.diffRevisions(against, revision, after, limit + 1))
  const page = toPage(diff, limit, (last) => [last.key])
  return c.json({ ...page, items: page.items.filter(isOf(namespace)).map(toObjectDiff) }, 200)
}

const rollBack: RouteHandler<typeof rollBackToRevision, AppEnv> = async (c) => {
  const { mesh: meshName, revision } = c.req.valid('param')
  const mesh = await openMesh(c, meshName, confineFilter(c, {}))
  const result = await writeConfiguration(
    mesh,
    {
      operation: 'rollback',
      rollbackTo: revision,
      ifMatch: parseIfMatch(c.req.valid('header')['If-Match']),
      dryRun: c.req.valid('query').dryRun,
      plan: async (base) => planRollback(await readWholeDiff(mesh.store, base.revision, revision)),
    },
    toInitiator(c),
  )
  return c.json(result, 200)
}

const showDelivery: RouteHandler<typeof getRevisionDelivery, AppEnv> = async (c) => {
  const { mesh, revision } = c.req.valid('param')
  const { store, namespace } = await openMesh(c, mesh, confineFilter(c, {}))
  const { waitSeconds, after } = c.req.valid('query')
  const facts = await store.facts()
  if (revision > facts.revision) throw new AtollError('not_found', `there is no revision ${revision} yet`)
  const delivery = await store.waitForDelivery(revision, after ?? null, waitSeconds * 1000)
  return c.json({ ...delivery, clusters: delivery.clusters.map((each) => confineDelivery(each, namespace)) }, 200)
}

export const addRevisionRoutes = (app: App): void => {
  app.openapi(listRevisions, listMeshRevisions)
  app.openapi(getRevision, showRevision)
  app.openapi(diffRevision, compareRevisions)
  app.openapi(rollBackToRevision, rollBack)
  app.openapi(getRevisionDelivery, showDelivery)
}
