import { toMeshDefaults, type KnownMesh } from '#mesh/analysis/known-mesh.ts'
import { readMeshConfig } from '#mesh/config/mesh-config.ts'
import type { CliContext } from '../cli-context.ts'
import type { PlacedProblem } from '../output/problem-text.ts'
import type { ConfigurationText } from './configuration-files.ts'
import {
  examineSubmitted,
  findMeshConfigs,
  openMeshConfigFile,
  toOfflineTrustDomain,
  type SubmittedMeshConfig,
} from './mesh-config-file.ts'

interface JudgedSettings {
  readonly count: number
  readonly problems: readonly PlacedProblem[]
  /** Those that count; absent where none were given, or none can be read. */
  readonly submitted?: SubmittedMeshConfig
  /** What follows from them for objects. */
  readonly known: Pick<KnownMesh, 'defaults'>
}

/** Settings of their own file and among other files. The first that are read count for the objects. Without a mesh they have the trust domain that they name. */
export const judgeSettings = async (
  context: CliContext,
  file: string | undefined,
  configuration: ConfigurationText | undefined,
  trustDomain: string | undefined,
): Promise<JudgedSettings> => {
  const own = file === undefined ? [] : [await openMeshConfigFile(file, context.io)]
  const named = new Set(own.flatMap((each) => (each.ok ? [each.value.source] : [])))
  const found = configuration === undefined ? [] : findMeshConfigs(configuration)
  const opened = [...own, ...found.filter((each) => !each.ok || !named.has(each.value.source))]
  const read = opened.flatMap((each) => (each.ok ? [each.value] : []))
  const [first] = read
  if (first !== undefined && read.length > 1)
    context.note(`Of ${read.length} settings those of ${toSettingsName(first)} count`)
  return {
    count: opened.length,
    problems: [
      ...opened.flatMap((each) => (each.ok ? [] : each.error)),
      ...read.flatMap((each) => examineSubmitted(each, trustDomain ?? toOfflineTrustDomain(each.meshConfig))),
    ],
    ...(first && { submitted: first }),
    known: first === undefined ? {} : { defaults: toMeshDefaults(readMeshConfig(first.meshConfig)) },
  }
}

/** As messages name settings. */
export const toSettingsName = ({ name, source }: SubmittedMeshConfig): string =>
  source.startsWith(`${name}:`) ? name : `${name} (${source})`
