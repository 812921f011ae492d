import type { Command } from 'commander'
import { hasErrors, type Problem } from '#mesh/problem.ts'
import { meshSettings, type MeshSettings } from '#mesh/settings.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { readConfiguration } from '../configuration/configuration-files.ts'
import { examineForCompiler } from '../configuration/examine-configuration.ts'
import { judgeSettings, toSettingsName } from '../configuration/judge-settings.ts'
import { isSettingsFile, toOfflineTrustDomain } from '../configuration/mesh-config-file.ts'
import { placeProblems } from '../configuration/place-problems.ts'
import type { PlacedProblem } from '../output/problem-text.ts'
import type { OfflineResult } from './offline-compile.ts'
import type { OfflineFiles } from './offline-view.ts'
import { parseProxySpec, proxySpecHelp, type ProxySpec } from './proxy-spec.ts'

/** As part of which mesh files are looked at. */
export interface MeshOptions {
  readonly trustDomain?: string
  readonly domainSuffix: string
  readonly meshConfig?: string
  readonly namespace?: string
}

export interface CompileOptions extends MeshOptions {
  readonly proxy?: ProxySpec
}

/** What files are compiled for, and as part of which mesh. */
export const addCompileOptions = (command: Command): Command =>
  addMeshOptions(command.option('--proxy <spec>', proxySpecHelp, parseProxySpec))

export const addMeshOptions = (command: Command): Command =>
  command
    .option('--trust-domain <name>', "the mesh's SPIFFE trust domain; default: the settings', or offline.example")
    .option('--domain-suffix <name>', "end of the services' host names", 'cluster.local')
    .option(
      '--mesh-config <file>',
      "the mesh's settings: Istio's MeshConfig; default: a ConfigMap istio among the files",
    )
    .option('-n, --namespace <name>', 'for objects that name none; default: "default"')

/** What files give a proxy, and all that is to be said of them. */
export interface CompiledFiles extends Pick<OfflineResult, 'resources'> {
  readonly problems: readonly PlacedProblem[]
}

/** Compiles files for a proxy; tells the person when they have no such proxy. Throws CliError `invalid` when one of their objects is wrong. */
export const compileFiles = async (
  context: CliContext,
  paths: readonly string[],
  { proxy, ...options }: CompileOptions,
): Promise<CompiledFiles> => {
  // Commander would ask for an option of a group in its subcommands too.
  if (!proxy) throw new CliError('usage', 'For which proxy?', { remedy: `--proxy ${proxySpecHelp}` })
  const { files, settings, place } = await readFiles(context, paths, options)
  const { compileOffline } = await import('./offline-compile.ts')
  const { resources, problems, isGuessed } = compileOffline(files, proxy, settings)
  if (isGuessed) noteGuess(context, proxy)
  return { resources, problems: await place(problems) }
}

/** Tells that nothing is known of a proxy's workload. */
export const noteGuess = (context: CliContext, { proxy }: ProxySpec): void =>
  context.note(`No workload ${proxy.namespace}/${proxy.workload} in these files: taken as a pod without labels`)

/** Files that can be compiled. */
export interface FilesOfMesh {
  readonly files: OfflineFiles
  readonly settings: MeshSettings
  /** What was found in them before, and now, with its places. */
  readonly place: (found: readonly Problem[]) => Promise<readonly PlacedProblem[]>
}

/** Reads files to compile them. Throws CliError `invalid` when one of their objects is wrong. */
export const readFiles = async (
  context: CliContext,
  paths: readonly string[],
  { trustDomain: domain, domainSuffix, meshConfig: file, namespace }: MeshOptions,
): Promise<FilesOfMesh> => {
  const configuration = await readConfiguration(paths, context.io, isSettingsFile(file))
  const { objects, problems, others } = examineForCompiler(configuration, namespace)
  if (hasErrors(problems)) {
    throw new CliError('invalid', 'The configuration has errors', {
      problems: await placeProblems(problems, configuration, namespace),
    })
  }
  const { submitted, problems: faults } = await judgeSettings(context, file, configuration, domain)
  if (hasErrors(faults)) throw new CliError('invalid', 'The settings have errors', { problems: faults })
  if (submitted !== undefined && file === undefined)
    context.note(`By the settings among the files: ${toSettingsName(submitted)}`)
  const meshConfig = submitted?.meshConfig
  const trustDomain = domain ?? toOfflineTrustDomain(meshConfig)
  const settings = meshSettings.parse({ meshId: 'offline', meshName: 'offline', trustDomain, domainSuffix, meshConfig })
  return {
    files: { objects: objects.map(({ object }) => object), manifests: others, namespace: namespace ?? 'default' },
    settings,
    place: async (found) => [...(await placeProblems([...problems, ...found], configuration, namespace)), ...faults],
  }
}
