import { listConfiguration } from '#api/routes/configuration.ts'
import { getMesh } from '#api/routes/meshes.ts'
import { listServices } from '#api/routes/services.ts'
import type { ShownProblem } from '#api/schemas/shown-problem.ts'
import { toMeshDefaults, type KnownMesh } from '#mesh/analysis/known-mesh.ts'
import { objectKeyOf, toObjectKey, type ConfigObject } from '#mesh/config-object.ts'
import { toObjectName } from '#mesh/config/examine-object.ts'
import { readMeshConfig } from '#mesh/config/mesh-config.ts'
import type { Problem } from '#mesh/problem.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { readClusterFiles } from '../configuration/cluster-files.ts'
import { readConfiguration } from '../configuration/configuration-files.ts'
import { judgeSettings } from '../configuration/judge-settings.ts'
import { holdsMeshConfig, isSettingsFile } from '../configuration/mesh-config-file.ts'
import { examineConfiguration } from '../configuration/examine-configuration.ts'
import { placeProblems } from '../configuration/place-problems.ts'
import { collect } from '../output/list-view.ts'
import { toObjectText, type PlacedProblem } from '../output/problem-text.ts'
import { toShortList } from '../output/short-list.ts'
import { findSecrets } from './find-secrets.ts'
import { findWorkloads } from './find-workloads.ts'

export interface SubjectOptions {
  readonly withMesh?: true
  readonly cluster?: readonly string[]
  readonly namespace?: string
  readonly domainSuffix?: string
  readonly meshConfig?: string
}

/** What is looked at. */
export interface Subject {
  /** How many objects and settings, with those that are wrong. */
  readonly count: number
  readonly objects: readonly ConfigObject[]
  /** Those of them that the person has written. */
  readonly written: readonly ConfigObject[]
  readonly problems: readonly ShownProblem[]
  /** Those whose own errors keep them from being looked at with the others. */
  readonly unfinished: readonly string[]
  readonly known: KnownMesh
  /** Gives problems their places, where there are files. */
  readonly place: (problems: readonly ShownProblem[]) => Promise<readonly PlacedProblem[]>
}

/** Throws CliError `usage` for options that say nothing of what is looked at. */
export const findSubject = async (
  context: CliContext,
  paths: readonly string[],
  options: SubjectOptions,
): Promise<Subject> => {
  const { namespace, domainSuffix = 'cluster.local', withMesh, cluster = [] } = options
  const ofMesh = paths.length === 0 && cluster.length === 0
  if (options.domainSuffix !== undefined && (ofMesh || withMesh))
    throw new CliError('usage', 'A mesh has its own --domain-suffix', { remedy: 'Leave the option out.' })
  if (ofMesh) {
    if (withMesh) throw new CliError('usage', 'Which files --with-mesh?', { remedy: 'Name them, or leave it out.' })
    const mesh = await readMesh(context)
    const settings = await judgeSettings(context, options.meshConfig, undefined, mesh.trustDomain)
    return {
      objects: mesh.objects,
      count: mesh.objects.length + settings.count,
      written: mesh.objects,
      problems: mesh.drift,
      unfinished: [],
      known: { ...mesh.known, ...settings.known },
      place: async (found) => [...settings.problems, ...found],
    }
  }
  const configuration = await readConfiguration(paths, context.io, isSettingsFile(options.meshConfig))
  const { objects, problems, count, others } = examineConfiguration(configuration, namespace)
  noteOthers(others, context)
  const written = objects.map(({ object }) => object)
  const unfinished = findUnfinished(problems, new Set(written.map(objectKeyOf)))
  const ofClusters = await readClusterFiles(cluster, { io: context.io, namespace, domainSuffix })
  const mesh = withMesh === true ? await readMesh(context) : undefined
  const settings = await judgeSettings(
    context,
    options.meshConfig,
    others.some(holdsMeshConfig) ? configuration : undefined,
    mesh?.trustDomain,
  )
  const place = async (found: readonly ShownProblem[]) => [
    ...settings.problems,
    ...ofClusters.problems,
    ...(await placeProblems([...found, ...ofClusters.drift], configuration, namespace)),
  ]
  if (mesh === undefined) {
    const workloads = findWorkloads(written, others, namespace)
    const known: KnownMesh = {
      domainSuffix,
      hasHost: (hostname) => ofClusters.hosts.has(hostname),
      lookedIn: 'objects',
      ...settings.known,
      ...(workloads && { workloads }),
      secrets: findSecrets(others, namespace),
    }
    return { count: count + settings.count, objects: written, written, problems, unfinished, known, place }
  }
  const keys = new Set(written.map(objectKeyOf))
  const unwritten = mesh.objects.filter((object) => !keys.has(objectKeyOf(object)))
  const known: KnownMesh = {
    ...mesh.known,
    ...settings.known,
    hasHost: (hostname, inNamespace) => ofClusters.hosts.has(hostname) || mesh.known.hasHost(hostname, inNamespace),
  }
  return {
    count: unwritten.length + count + settings.count,
    objects: [...unwritten, ...written],
    written,
    problems: [...problems, ...mesh.drift],
    unfinished,
    known,
    place,
  }
}

const noteOthers = (others: readonly unknown[], context: CliContext): void => {
  const manifests = others.filter((value) => !holdsMeshConfig(value)).map(toManifestName)
  if (manifests.length > 0)
    context.note(`Not checked themselves, for they are no configuration of a mesh: ${toShortList(manifests)}`)
  const settings = others.filter(holdsMeshConfig).map(toManifestName)
  if (settings.length > 0) context.note(`Settings, for "atoll mesh set --mesh-config": ${toShortList(settings)}`)
}

/** Objects with errors of their own. One of a kind that is not there has nothing more to be checked. */
const findUnfinished = (problems: readonly Problem[], accepted: ReadonlySet<string>): readonly string[] => {
  const names = problems.flatMap(({ severity, path, object }) => {
    if (severity !== 'error' || object === undefined || path === 'kind') return []
    const { kind, namespace, name } = object
    return accepted.has(toObjectKey(kind, namespace, name)) ? [] : toObjectText(object)
  })
  return [...new Set(names)]
}

interface MeshAsItIs extends Pick<Subject, 'objects' | 'known'> {
  /** Where clusters say different things of one service. */
  readonly drift: readonly ShownProblem[]
  readonly trustDomain: string
}

const readMesh = async (context: CliContext): Promise<MeshAsItIs> => {
  const params = { mesh: await context.mesh() }
  const client = context.client()
  const { settings } = await client.call(getMesh, { params })
  const stored = await collect(client.list(listConfiguration, { params }))
  const services = await collect(client.list(listServices, { params }))
  const byHost = new Map(services.map((service) => [service.hostname, service]))
  return {
    trustDomain: settings.trustDomain,
    objects: stored.map(({ object }) => object),
    known: {
      domainSuffix: settings.domainSuffix,
      defaults: toMeshDefaults(readMeshConfig(settings.meshConfig)),
      hasHost: (hostname) => byHost.has(hostname),
      aliasOf: (hostname) => byHost.get(hostname)?.aliasOf,
    },
    drift: services.flatMap(({ drift = [] }) => drift),
  }
}

const toManifestName = (value: unknown): string => {
  const { kind, name } = toObjectName(value, '') ?? { kind: 'an object', name: '' }
  return `${kind} ${name}`.trimEnd()
}
