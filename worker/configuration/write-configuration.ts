import { AtollError } from '#api/atoll-error.ts'
import type { ApplyResult } from '#api/schemas/configuration.ts'
import { analyze } from '#mesh/analysis/analyze.ts'
import type { KnownMesh } from '#mesh/analysis/known-mesh.ts'
import { selectRelated, toRelatedObject } from '#mesh/analysis/related-objects.ts'
import type { RelatedObject } from '#mesh/analysis/related-objects.ts'
import { toObjectKey, type ConfigObject } from '#mesh/config-object.ts'
import { envoyFilter } from '#mesh/config/envoy-filter.ts'
import { toServiceKey } from '#mesh/names.ts'
import { hasErrors, type Problem } from '#mesh/problem.ts'
import type { Initiator } from '../mesh/audit.ts'
import type { CommitRequest, ObjectWrite } from '../mesh/configuration.ts'
import type { MeshStore } from '../mesh/mesh-store.ts'
import type { OpenMesh } from '../open-mesh.ts'
import { unwrap } from '../problems.ts'
import { readBaseConfiguration } from './base-configuration.ts'
import type { BaseConfiguration } from './base-configuration.ts'
import { refuseBeyondNamespace } from './refuse-beyond-namespace.ts'
import { findShadowed } from './published-objects.ts'
import { warnOfOutdatedAgents } from './warn-of-outdated-agents.ts'

/** How often a write without If-Match is checked anew against a configuration that moved on meanwhile. */
const MAX_ATTEMPTS = 5

export interface WritePlan extends Pick<CommitRequest, 'upserts' | 'deletes'> {
  /** Warnings about what is not written. */
  readonly warnings?: readonly Problem[]
}

export interface ConfigurationWrite {
  readonly operation: CommitRequest['operation']
  readonly rollbackTo?: number
  /** The revision of If-Match; undefined = whatever is newest. */
  readonly ifMatch: number | undefined
  readonly dryRun: boolean
  /** What to write, given the configuration that it will be written to. */
  readonly plan: (base: BaseConfiguration) => Promise<WritePlan>
}

/**
 * Checks a write against all of the mesh's configuration and commits it as one revision. Of two writes at the same time each gets its own
 * revision: the later one is checked again.
 *
 * @throws AtollError `forbidden` with what is beyond the caller's namespace; `invalid_configuration` with what is wrong; `revision_mismatch` when If-Match asks for another revision;
 *   `conflict` when others were faster too often.
 */
export const writeConfiguration = async (
  mesh: OpenMesh,
  write: ConfigurationWrite,
  by: Initiator,
): Promise<ApplyResult> => {
  const { ifMatch, operation, dryRun } = write
  for (let attempt = 1; ; attempt += 1) {
    const base = await readBaseConfiguration(mesh.id, mesh.store)
    if (ifMatch !== undefined && ifMatch !== base.revision) {
      throw new AtollError('revision_mismatch', `the newest revision is ${base.revision}, not ${ifMatch}`)
    }
    const { upserts, deletes, warnings = [] } = await write.plan(base)
    if (mesh.namespace !== undefined)
      await refuseBeyondNamespace(mesh.store, base, { upserts, deletes }, mesh.namespace)
    const found = await findProblems(mesh.store, base, upserts, deletes)
    const outdated = await warnOfOutdatedAgents(mesh.store, upserts)
    const problems = [...warnings, ...findShadowed(base, upserts), ...found, ...outdated].flatMap((each) =>
      hideOthers(each, mesh.namespace),
    )
    if (hasErrors(problems)) {
      throw new AtollError('invalid_configuration', 'the configuration has errors; nothing was applied', { problems })
    }
    const rollbackTo = write.rollbackTo ?? null
    const commit = { baseRevision: base.revision, operation, rollbackTo, upserts, deletes, dryRun }
    const committed = await mesh.store.commit(commit, by)
    if (committed.ok || committed.error.code !== 'revision_mismatch' || ifMatch !== undefined) {
      const { revision, changes } = unwrap(committed)
      return { revision, changes: [...changes], problems }
    }
    if (attempt === MAX_ATTEMPTS) throw new AtollError('conflict', 'others write to this mesh all the time; try again')
  }
}

/** Who is confined to a namespace is told that something of another one breaks, and not what; warnings of others are theirs. */
const hideOthers = (problem: Problem, namespace: string | undefined): readonly Problem[] => {
  const { code, severity, object } = problem
  if (namespace === undefined || object === undefined || object.namespace === namespace) return [problem]
  return severity === 'error'
    ? [{ code, severity, path: '', message: 'an object of another namespace would break' }]
    : []
}

/**
 * What is wrong with the written objects, and what the write breaks in others. Old mistakes of others don't count. Only what has
 * something to do with the write is looked at.
 */
export const findProblems = async (
  store: Pick<MeshStore, 'findOffered'>,
  base: BaseConfiguration,
  upserts: readonly ObjectWrite[],
  deletes: readonly string[],
): Promise<Problem[]> => {
  const written = upserts.map(({ object }) => object)
  return [...(await examineMessages(written)), ...(await findRelatedProblems(store, base, upserts, deletes))]
}

/** The types of Envoy's API are many, and few writes need them. */
const examineMessages = async (objects: readonly ConfigObject[]): Promise<readonly Problem[]> => {
  if (objects.every(({ kind }) => kind !== envoyFilter.kind)) return []
  const { examineEnvoyFilters } = await import('#xds/patch/examine-envoy-filters.ts')
  return examineEnvoyFilters(objects)
}

const findRelatedProblems = async (
  store: Pick<MeshStore, 'findOffered'>,
  base: BaseConfiguration,
  upserts: readonly ObjectWrite[],
  deletes: readonly string[],
): Promise<Problem[]> => {
  const { domainSuffix } = base
  const known = await readKnownMesh(store, base, upserts)
  const written = upserts.map(({ key, object }) => [key, toRelatedObject(object, domainSuffix)] as const)
  const after = new Map([...base.objects, ...written])
  for (const key of deletes) after.delete(key)
  const replaced = [...written.map(([key]) => key), ...deletes].flatMap((key) => base.objects.get(key) ?? [])
  const involved = [...written.map(([, object]) => object), ...replaced]
  const analyzeRelated = (objects: ReadonlyMap<string, RelatedObject>) =>
    analyze(selectRelated(objects.values(), involved), known)

  const keys = new Set(written.map(([key]) => key))
  const isOfWritten = ({ object }: Problem) =>
    object === undefined || keys.has(toObjectKey(object.kind, object.namespace, object.name))
  const problems = analyzeRelated(after).filter((problem) => isOfWritten(problem) || problem.severity === 'error')
  if (problems.every(isOfWritten)) return problems
  const old = new Set(analyzeRelated(base.objects).map((problem) => JSON.stringify(problem)))
  return problems.filter((problem) => isOfWritten(problem) || !old.has(JSON.stringify(problem)))
}

/** What the analysis has to know of the catalog: a first run over the written objects tells which hosts they name. */
const readKnownMesh = async (
  store: Pick<MeshStore, 'findOffered'>,
  { domainSuffix, defaults }: BaseConfiguration,
  upserts: readonly ObjectWrite[],
): Promise<KnownMesh> => {
  const asked = new Map<string, { hostname: string; namespace: string }>()
  analyze(
    upserts.map(({ object }) => object),
    {
      domainSuffix,
      hasHost: (hostname, namespace) => {
        asked.set(toServiceKey(namespace, hostname), { hostname, namespace })
        return true
      },
    },
  )
  const found = asked.size === 0 ? [] : await store.findOffered([...asked.values()])
  const offered = new Map(found.map((host) => [toServiceKey(host.namespace, host.hostname), host]))
  return {
    domainSuffix,
    defaults,
    hasHost: (hostname, namespace) => {
      const key = toServiceKey(namespace, hostname)
      return offered.has(key) || !asked.has(key)
    },
    aliasOf: (hostname, namespace) => offered.get(toServiceKey(namespace, hostname))?.aliasOf,
  }
}
