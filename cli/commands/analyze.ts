import type { Command } from 'commander'
import { AtollError } from '#api/atoll-error.ts'
import { listConfiguration } from '#api/routes/configuration.ts'
import { listServices } from '#api/routes/services.ts'
import { getMesh } from '#api/routes/meshes.ts'
import type { ShownProblem } from '#api/schemas/shown-problem.ts'
import { analyze } from '#mesh/analysis/analyze.ts'
import { toExportDefaults, type KnownMesh, type KnownWorkload } from '#mesh/analysis/known-mesh.ts'
import { findStyleProblems } from '#mesh/analysis/style.ts'
import { objectKeyOf, type ConfigObject } from '#mesh/config-object.ts'
import { toObjectName } from '#mesh/config/examine-object.ts'
import { readMeshConfig } from '#mesh/config/mesh-config.ts'
import { configuredAs } from '#mesh/config/parse-object.ts'
import { workloadEntry } from '#mesh/config/workload-entry.ts'
import { toErrorMessage } from '#mesh/error-message.ts'
import { networkName } from '#mesh/names.ts'
import { problemClasses, type Problem } from '#mesh/problem.ts'
import { toWorkload } from '#mesh/registry-records/to-workload.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { addFiles, toPaths, type FileOptions } from '../configuration/file-arguments.ts'
import { readClusterFiles } from '../configuration/cluster-files.ts'
import { readConfiguration } from '../configuration/configuration-files.ts'
import { examineConfiguration } from '../configuration/examine-configuration.ts'
import { placeProblems } from '../configuration/place-problems.ts'
import { addExamples } from '../examples.ts'
import { collect } from '../output/list-view.ts'
import { toManifestWorkloads } from '../xds/manifest-workloads.ts'
import { toProblemText, type PlacedProblem } from '../output/problem-text.ts'

interface AnalyzeOptions extends FileOptions {
  readonly withMesh?: true
  readonly cluster?: readonly string[]
  readonly namespace?: string
  readonly domainSuffix: string
}

export const defineAnalyze = (command: Command, context: CliContext): void => {
  addFiles(command)
    .option('--with-mesh', "judge the files as they would be among the mesh's objects and services")
    .option(
      '--cluster <name=path...>',
      "files that are one cluster's own: its services are offered, and compared with those of the others",
    )
    .option('-n, --namespace <name>', 'for objects that name none; default: "default"')
    .option('--domain-suffix <name>', "end of the services' host names, without a mesh", 'cluster.local')
    .action((paths: readonly string[], options: AnalyzeOptions) => run(context, toPaths(paths, options), options))
  command.addHelpText(
    'after',
    '\nWithout files it analyses the mesh. It exits with 1 when there is an error, with 0 when there is none, and with 2 when it could not run.',
  )
  addExamples(command, [
    ['atoll analyze mesh/', 'in a pipeline, before "atoll apply"'],
    ['atoll analyze reviews.yaml -o json', '[{severity, code, class, object, path, text}]'],
    ['atoll analyze reviews.yaml --with-mesh', 'with all that is in the mesh already'],
    ['atoll analyze mesh/ --cluster east=east/ --cluster west=west/', 'with the Services of both clusters'],
    ['atoll analyze', 'the mesh as it is'],
  ])
}

/** What is looked at. */
interface Subject {
  readonly objects: readonly ConfigObject[]
  /** Those of them that the person has written. */
  readonly written: readonly ConfigObject[]
  readonly problems: readonly ShownProblem[]
  readonly known: KnownMesh
  /** Gives problems their places, where there are files. */
  readonly place: (problems: readonly ShownProblem[]) => Promise<readonly PlacedProblem[]>
}

const run = async (context: CliContext, paths: readonly string[], options: AnalyzeOptions): Promise<void> => {
  const { objects, written, problems, known, place } = await findSubject(context, paths, options).catch(
    (error: unknown) => {
      throw toCouldNotRun(error)
    },
  )
  const { examineEnvoyFilters } = await import('#xds/patch/examine-envoy-filters.ts')
  const related = analyze(objects, known)
  const all = await place([...problems, ...examineEnvoyFilters(objects), ...related, ...findStyleProblems(written)])
  const errors = all.filter(({ severity }) => severity === 'error').length
  const counts = [
    toCount(objects.length, 'object'),
    toCount(errors, 'error'),
    toCount(all.length - errors, 'warning'),
  ].join(', ')
  await context.print({
    value: all.map(toMessage),
    names: all.map(({ code }) => code),
    table: (paint) => [...all.map((problem) => toProblemText(problem, paint)), counts].join('\n'),
  })
  if (errors > 0) throw new CliError('failed', 'The configuration has errors')
}

/** The form that scripts read: docs/problems.md. */
const toMessage = ({ severity, code, object, path, message, place }: PlacedProblem) => ({
  severity,
  code,
  class: Object.hasOwn(problemClasses, code) ? problemClasses[code as Problem['code']] : 'semantic',
  object: object ?? null,
  path,
  text: message,
  ...(place !== undefined && { place }),
})

const findSubject = async (
  context: CliContext,
  paths: readonly string[],
  options: AnalyzeOptions,
): Promise<Subject> => {
  const { namespace, domainSuffix, withMesh, cluster = [] } = options
  if (paths.length === 0 && cluster.length === 0) {
    const mesh = await readMesh(context)
    return { ...mesh, written: mesh.objects, problems: mesh.drift, place: async (found) => found }
  }
  const configuration = await readConfiguration(paths, context.io)
  const { objects, problems, others } = examineConfiguration(configuration, namespace)
  if (others.length > 0)
    context.note(`Left out, for they are no configuration of a mesh: ${toShort(others.map(toManifestName))}`)
  const written = objects.map(({ object }) => object)
  const ofClusters = await readClusterFiles(cluster, { io: context.io, namespace, domainSuffix })
  const place = async (found: readonly ShownProblem[]) => [
    ...ofClusters.problems,
    ...(await placeProblems([...found, ...ofClusters.drift], configuration, namespace)),
  ]
  if (withMesh !== true) {
    const workloads = findWorkloads(written, others, namespace)
    const known: KnownMesh = {
      domainSuffix,
      hasHost: (hostname) => ofClusters.hosts.has(hostname),
      lookedIn: 'objects',
      ...(workloads.length > 0 && { workloads }),
    }
    return { objects: written, written, problems, known, place }
  }
  const mesh = await readMesh(context)
  const keys = new Set(written.map(objectKeyOf))
  const unwritten = mesh.objects.filter((object) => !keys.has(objectKeyOf(object)))
  const known: KnownMesh = {
    ...mesh.known,
    hasHost: (hostname, inNamespace) => ofClusters.hosts.has(hostname) || mesh.known.hasHost(hostname, inNamespace),
  }
  return { objects: [...unwritten, ...written], written, problems: [...problems, ...mesh.drift], known, place }
}

/** Pods of manifests and WorkloadEntries; none = nothing is known of workloads. */
const findWorkloads = (
  objects: readonly ConfigObject[],
  manifests: readonly unknown[],
  namespace = 'default',
): readonly KnownWorkload[] => [
  ...toManifestWorkloads(manifests, { namespace, network: networkName.parse('offline') }),
  ...objects.flatMap((object) => {
    if (object.kind !== workloadEntry.kind) return []
    const parsed = configuredAs(workloadEntry, object)
    return parsed.ok ? toWorkload(parsed.value, networkName.parse('offline')) : []
  }),
]

interface MeshAsItIs extends Pick<Subject, 'objects' | 'known'> {
  /** Where clusters say different things of one service. */
  readonly drift: readonly ShownProblem[]
}

const readMesh = async (context: CliContext): Promise<MeshAsItIs> => {
  const params = { mesh: await context.mesh() }
  const client = context.client()
  const { settings } = await client.call(getMesh, { params })
  const stored = await collect(client.list(listConfiguration, { params }))
  const services = await collect(client.list(listServices, { params }))
  const hosts = new Set(services.map(({ hostname }) => hostname))
  return {
    objects: stored.map(({ object }) => object),
    known: {
      domainSuffix: settings.domainSuffix,
      exportDefaults: toExportDefaults(readMeshConfig(settings.meshConfig)),
      hasHost: (hostname) => hosts.has(hostname),
    },
    drift: services.flatMap(({ drift = [] }) => drift),
  }
}

/** Whatever was in the way: scripts tell it from configuration that has errors. */
const toCouldNotRun = (error: unknown): CliError => {
  if (error instanceof CliError) return new CliError('usage', error.message, { ...toRemedy(error), cause: error })
  const prefix = error instanceof AtollError ? `${error.code}: ` : ''
  return new CliError('usage', `${prefix}${toErrorMessage(error)}`, { cause: error })
}

const toRemedy = ({ remedy }: CliError) => (remedy === undefined ? {} : { remedy })

const toCount = (count: number, name: string): string => `${count} ${name}${count === 1 ? '' : 's'}`

const toManifestName = (value: unknown): string => {
  const { kind, name } = toObjectName(value, '') ?? { kind: 'an object', name: '' }
  return `${kind} ${name}`.trimEnd()
}

const MAX_SHOWN = 5

const toShort = (names: readonly string[]): string => {
  const shown = names.slice(0, MAX_SHOWN).join(', ')
  return names.length > MAX_SHOWN ? `${shown} and ${names.length - MAX_SHOWN} more` : shown
}
