import type { RouteHandler } from '@hono/zod-openapi'
import { AtollError } from '#api/atoll-error.ts'
import {
  applyConfiguration,
  deleteConfigurationObject,
  getConfigurationObject,
  listConfiguration,
} from '#api/routes/configuration.ts'
import { MAX_CONFIGURATION_BODY_BYTES, MAX_OBJECTS_PER_APPLY } from '#api/schemas/configuration.ts'
import type { StoredObject } from '#api/schemas/configuration.ts'
import type { ConfigObject } from '#mesh/config-object.ts'
import { objectKeyOf, toObjectKey } from '#mesh/config-object.ts'
import { findKindByName } from '#mesh/config/kind-table.ts'
import { parseDocuments } from '#mesh/parse-documents.ts'
import { publisherOf } from '#mesh/publishing/publish-annotations.ts'
import type { App, AppEnv } from '../app-env.ts'
import { warnOfClusterKinds } from '../configuration/cluster-kinds.ts'
import { parseIfMatch } from '../configuration/if-match.ts'
import { leaveOutPublished, refusePublished } from '../configuration/published-objects.ts'
import { writeConfiguration } from '../configuration/write-configuration.ts'
import type { StoredDocument } from '../mesh/configuration.ts'
import { readBodyText } from '../middleware/request-body.ts'
import { confineFilter, openMesh, toInitiator } from '../open-mesh.ts'
import { firstPlace, parseCursor, toPage } from '../page.ts'
import { found } from '../problems.ts'

const toStoredObject = ({ key, revision, updatedAtMs, document }: StoredDocument): StoredObject => {
  const object = JSON.parse(document) as ConfigObject
  return {
    key,
    revision,
    updatedAt: new Date(updatedAtMs).toISOString(),
    publishedBy: publisherOf(object.metadata) ?? null,
    object,
  }
}

const apply: RouteHandler<typeof applyConfiguration, AppEnv> = async (c) => {
  const mesh = await openMesh(c, c.req.valid('param').mesh, confineFilter(c, {}))
  const { namespace, dryRun } = c.req.valid('query')
  const parsed = parseDocuments(await readBodyText(c), {
    defaultNamespace: namespace,
    maxCharacters: MAX_CONFIGURATION_BODY_BYTES,
    maxObjects: MAX_OBJECTS_PER_APPLY,
  })
  if (!parsed.ok) {
    throw new AtollError('invalid_configuration', 'the configuration has errors; nothing was applied', {
      problems: parsed.error,
    })
  }
  const { objects, warnings: left } = leaveOutPublished(parsed.value.objects.map(({ object }) => object))
  const warnings = [...left, ...warnOfClusterKinds(objects)]
  const upserts = objects.map((object) => ({ key: objectKeyOf(object), object }))
  const result = await writeConfiguration(
    mesh,
    {
      operation: 'apply',
      ifMatch: parseIfMatch(c.req.valid('header')['If-Match']),
      dryRun,
      plan: () => Promise.resolve({ upserts, deletes: [], warnings }),
    },
    toInitiator(c),
  )
  return c.json({ ...result, problems: [...parsed.value.warnings, ...result.problems] }, 200)
}

const listObjects: RouteHandler<typeof listConfiguration, AppEnv> = async (c) => {
  const { limit, cursor, kind, ...query } = c.req.valid('query')
  const { namespace } = confineFilter(c, query)
  const { store } = await openMesh(c, c.req.valid('param').mesh, { namespace })
  const [after] = parseCursor(cursor, firstPlace)
  const filter = { kind: kind === undefined ? undefined : toKindName(kind), namespace }
  const objects = await store.listObjects(filter, after, limit + 1)
  return c.json(
    toPage(objects.map(toStoredObject), limit, (last) => [last.key]),
    200,
  )
}

const showObject: RouteHandler<typeof getConfigurationObject, AppEnv> = async (c) => {
  const { mesh, kind, namespace, name } = c.req.valid('param')
  const { store } = await openMesh(c, mesh, { namespace })
  const key = toObjectKey(toKindName(kind), namespace, name)
  const [stored, status] = await Promise.all([store.findObject(key), store.listObjectStatus(key)])
  return c.json({ ...toStoredObject(found(stored, `object ${key}`)), status }, 200)
}

const deleteObject: RouteHandler<typeof deleteConfigurationObject, AppEnv> = async (c) => {
  const { mesh: meshName, kind, namespace, name } = c.req.valid('param')
  const mesh = await openMesh(c, meshName, { namespace })
  const key = toObjectKey(toKindName(kind), namespace, name)
  const result = await writeConfiguration(
    mesh,
    {
      operation: 'delete',
      ifMatch: parseIfMatch(c.req.valid('header')['If-Match']),
      dryRun: c.req.valid('query').dryRun,
      plan: (base) => {
        refusePublished(key, found(base.objects.get(key), `object ${key}`).object)
        return Promise.resolve({ upserts: [], deletes: [key] })
      },
    },
    toInitiator(c),
  )
  return c.json(result, 200)
}

/** A kind as keys have it, from what people type. */
const toKindName = (name: string): string => findKindByName(name)?.kind ?? name

export const addConfigurationRoutes = (app: App): void => {
  app.openapi(applyConfiguration, apply)
  app.openapi(listConfiguration, listObjects)
  app.openapi(getConfigurationObject, showObject)
  app.openapi(deleteConfigurationObject, deleteObject)
}
