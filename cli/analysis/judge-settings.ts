import { toMeshDefaults, type KnownMesh } from '#mesh/analysis/known-mesh.ts'
import { readMeshConfig } from '#mesh/config/mesh-config.ts'
import type { CliContext } from '../cli-context.ts'
import type { ConfigurationText } from '../configuration/configuration-files.ts'
import {
  examineSubmitted,
  findMeshConfigs,
  readMeshConfigFile,
  toOfflineTrustDomain,
} from '../configuration/mesh-config-file.ts'
import type { PlacedProblem } from '../output/problem-text.ts'

interface JudgedSettings {
  readonly count: number
  readonly problems: readonly PlacedProblem[]
  /** What follows for objects; nothing where no settings were given. */
  readonly known: Pick<KnownMesh, 'defaults'>
}

/** Settings of their own file and among other files. The first that are read count for the objects. Without a mesh they have the trust domain that they name. */
export const judgeSettings = async (
  context: CliContext,
  file: string | undefined,
  configuration: ConfigurationText | undefined,
  trustDomain: string | undefined,
): Promise<JudgedSettings> => {
  const own = file === undefined ? [] : [await readMeshConfigFile(file, context.io)]
  const found = configuration === undefined ? [] : findMeshConfigs(configuration)
  const read = [...own, ...found.flatMap((each) => (each.ok ? [each.value] : []))]
  const [first] = read
  if (first !== undefined && read.length > 1) context.note(`Of ${read.length} settings those of ${first.name} count`)
  return {
    count: own.length + found.length,
    problems: [
      ...found.flatMap((each) => (each.ok ? [] : each.error)),
      ...read.flatMap((each) => examineSubmitted(each, trustDomain ?? toOfflineTrustDomain(each.meshConfig))),
    ],
    known: first === undefined ? {} : { defaults: toMeshDefaults(readMeshConfig(first.meshConfig)) },
  }
}
