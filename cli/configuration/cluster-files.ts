import { findDrift, type ClusterDefinition } from '#mesh/analysis/drift.ts'
import { toAnalyzedObjects } from '#mesh/analysis/analyzed-objects.ts'
import { clusterName } from '#mesh/names.ts'
import type { Problem } from '#mesh/problem.ts'
import { toServiceEntryOffers, toServiceOffer } from '#mesh/registry-records/to-offers.ts'
import type { CliIo } from '../cli-io.ts'
import { CliError } from '../cli-error.ts'
import type { PlacedProblem } from '../output/problem-text.ts'
import { offlineNetwork } from '../xds/offline-network.ts'
import { readConfiguration } from './configuration-files.ts'
import { examineConfiguration } from './examine-configuration.ts'
import { placeProblems } from './place-problems.ts'

/** What the files of clusters say of services. */
export interface ClusterFiles {
  /** The host names of their services. */
  readonly hosts: ReadonlySet<string>
  /** What is wrong with each by itself. */
  readonly problems: readonly PlacedProblem[]
  /** Where they say different things of one service. */
  readonly drift: readonly Problem[]
}

interface Reading {
  readonly io: CliIo
  readonly namespace: string | undefined
  readonly domainSuffix: string
}

/**
 * Reads files that are given as "<cluster>=<path>". Throws CliError `usage` for what does not read so, or can't be read.
 */
export const readClusterFiles = async (given: readonly string[], reading: Reading): Promise<ClusterFiles> => {
  const clusters = await Promise.all(given.map((text) => readCluster(text, reading)))
  const definitions = clusters.flatMap((cluster) => cluster.definitions)
  const byService = Map.groupBy(definitions, ({ service }) => service.key)
  return {
    hosts: new Set(definitions.map(({ service }) => service.hostname)),
    problems: clusters.flatMap(({ problems }) => problems),
    drift: [...byService.values()].flatMap(findDrift),
  }
}

const readCluster = async (text: string, { io, namespace, domainSuffix }: Reading) => {
  const [name, path] = splitOnce(text)
  const cluster = clusterName.safeParse(name)
  if (!cluster.success || path === '') throw new CliError('usage', `--cluster reads NAME=PATH, not "${text}"`)
  const configuration = await readConfiguration([path], io)
  const { objects, problems } = examineConfiguration(configuration, namespace)
  const { services, serviceEntries } = toAnalyzedObjects(objects.map(({ object }) => object))
  const place = { network: offlineNetwork, domainSuffix }
  const definitions: readonly ClusterDefinition[] = [
    ...services.map((each) => ({
      cluster: cluster.data,
      service: toServiceOffer(each, domainSuffix).service,
      ...(each.spec.type !== 'ExternalName' && { isHeadless: each.spec.clusterIP === 'None' }),
    })),
    ...serviceEntries
      .flatMap((each) => toServiceEntryOffers(each, place))
      .map(({ service }) => ({ cluster: cluster.data, service })),
  ]
  return { definitions, problems: await placeProblems(problems, configuration, namespace) }
}

const splitOnce = (text: string): readonly [string, string] => {
  const at = text.indexOf('=')
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}
