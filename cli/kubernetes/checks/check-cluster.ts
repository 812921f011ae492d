import { networkName } from '#mesh/names.ts'
import type { CliContext } from '../../cli-context.ts'
import type { Paint } from '../../output/colour.ts'
import type { UpstreamDefinition } from '../custom-resource-definitions.ts'
import type { KubernetesApi } from '../kubernetes-api.ts'
import { installedReferences } from '../manifests/build-manifests.ts'
import { checkCrds, checkInjectors, checkInstalled, checkPermissions, checkVersion } from './check-kubernetes.ts'
import { checkNetwork } from './check-network.ts'
import { checkPlane } from './check-plane.ts'
import type { Finding } from './finding.ts'

/** What a cluster would join as. */
export interface Candidate {
  /** Undefined = not known yet: it is about the Kubernetes cluster alone. */
  readonly cluster: string | undefined
  readonly network: string | undefined
  /** The plane's URL as pods reach it. */
  readonly plane: string
  /** PEM of the plane's authority, when it is a private one. */
  readonly planeCa?: string | undefined
  readonly revision: string
  readonly definitions: readonly UpstreamDefinition[]
}

/** All that is worth knowing before Atoll is installed; nothing is changed by looking. */
export const checkCluster = async (
  context: CliContext,
  api: KubernetesApi,
  { cluster, network, plane, planeCa, revision, definitions }: Candidate,
): Promise<readonly Finding[]> => {
  const objects = [...definitions.map(({ object }) => object), ...installedReferences]
  const basics = await Promise.all([
    checkVersion(api),
    checkPermissions(api, objects),
    checkPlane(context, { url: plane, authority: planeCa }),
  ])
  const [, permissions, thePlane] = basics
  // Who may not write may often not read either, and nothing else can be known.
  if (isFailure(permissions)) return basics
  const inKubernetes = await Promise.all([
    checkCrds(api, definitions),
    checkInjectors(api, revision),
    checkInstalled(api, cluster),
  ])
  if (network === undefined || isFailure(thePlane)) return [...basics, ...inKubernetes]
  const place = { mesh: await context.mesh(), cluster: cluster ?? '', network: networkName.parse(network) }
  return [...basics, ...inKubernetes, await checkNetwork(context, api, place)]
}

export const isFailure = ({ status }: Finding): boolean => status === 'failure'

const colours = { ok: 'green', warning: 'yellow', failure: 'red' } as const

/** One line, and a second with the remedy where there is one. */
export const toFindingLines = (finding: Finding, paint: Paint): readonly string[] => {
  const { check, status, message } = finding
  const line = `${paint(colours[status], status.padEnd('failure'.length))}  ${check}: ${message}`
  return finding.status === 'ok' ? [line] : [`${line} (${finding.code})`, `         → ${finding.remedy}`]
}
