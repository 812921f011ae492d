import { z } from 'zod'
import { AtollError } from '#api/atoll-error.ts'
import { createJoinToken, getCluster } from '#api/routes/clusters.ts'
import type { Cluster } from '#api/schemas/clusters.ts'
import {
  agentName,
  agentStateKey,
  agentStateSecret,
  defaultRevision,
  joinTokenSecret,
  systemNamespace,
} from '#mesh/kubernetes/conventions.ts'
import { toOrigin } from '../cli-context.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { waitForCluster } from '../cluster/wait-for-cluster.ts'
import { findProgramFiles } from '../program-files.ts'
import { findAgentComplaints } from './agent-complaints.ts'
import { checkCluster, isFailure, toFindingLines } from './checks/check-cluster.ts'
import { readUpstreamDefinitions } from './custom-resource-definitions.ts'
import { toGatewaySettings } from './gateway-option.ts'
import { install, toInstallLine } from './install.ts'
import { keepGateways, refuseIstiosGateways, toNamespaces, type GatewayWish } from './keep-gateways.ts'
import { KubernetesApi } from './kubernetes-api.ts'
import type { FoundObject } from './kubernetes-api.ts'
import type { ObjectReference } from './kubernetes-object.ts'
import { buildManifests } from './manifests/build-manifests.ts'
import { defaultReplicas } from './manifests/install-settings.ts'
import type { InstallSettings } from './manifests/install-settings.ts'
import { printManifests } from './manifests/print-manifests.ts'
import { readPlaneCa } from './plane-ca-option.ts'
import { readTelemetryForwards } from './telemetry-forward-option.ts'
import { PodTroubleWatch } from './pod-trouble-watch.ts'
import { findAgentReadiness, waitForRollout } from './wait-for-rollout.ts'

/** Options of "atoll cluster join" that are about a Kubernetes cluster, or about both kinds. */
export interface KubernetesJoinOptions {
  readonly context?: string
  readonly network?: string
  readonly ttl: number
  readonly timeout: number
  readonly gateway?: readonly string[]
  /** Absent: as it is. */
  readonly ingressGateway?: GatewayWish
  readonly egressGateway?: GatewayWish
  readonly dryRun?: true
  readonly image?: string
  readonly proxyImage?: string
  readonly replicas?: number
  readonly failurePolicy?: 'fail' | 'ignore'
  readonly revision?: string
  readonly plane?: string
  readonly planeCa?: string
  readonly telemetryForward?: string
}

const secret = (name: string): ObjectReference => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name, namespace: systemNamespace },
})

/** Checks the cluster, installs or upgrades, and waits until it is in sync. Can be run again wherever it was interrupted. */
export const joinKubernetes = async (
  context: CliContext,
  name: string,
  options: KubernetesJoinOptions & { readonly context: string },
): Promise<void> => {
  if (options.dryRun === true) return printDryRun(context, name, options)
  const mesh = await context.mesh()
  const known = await findCluster(context, mesh, name)
  const settings = toSettings(context, name, { ...options, network: options.network ?? known?.network ?? name })
  const definitions = readUpstreamDefinitions(findProgramFiles().crds)
  const api = new KubernetesApi(await context.io.connectKubernetes(options.context))

  const findings = await checkCluster(context, api, { ...settings, definitions })
  for (const finding of findings.filter(({ status }) => status !== 'ok'))
    for (const line of toFindingLines(finding, context.paintNotes)) context.note(line)
  if (findings.some(isFailure)) {
    throw new CliError(
      'conflict',
      `The cluster of context ${options.context} is not fit to join; nothing was changed`,
      {
        remedy: `See "atoll check --context ${options.context}".`,
      },
    )
  }

  const { ingressGateway, egressGateway } = options
  const gateways = await keepGateways(api, { ingressGateway, egressGateway }, (line) => context.note(line))
  await refuseIstiosGateways(api, gateways)
  const joinToken = await makeJoinToken(context, api, { mesh, known, settings, ttlSeconds: options.ttl })
  let unchanged = 0
  await install(api, { ...settings, ...gateways, joinToken }, definitions, (object, outcome) => {
    if (outcome === 'unchanged') unchanged += 1
    else context.note(toInstallLine(object, outcome))
  })
  if (unchanged > 0) context.note(`${unchanged} objects are as they should be`)

  await waitUntilInSync(context, api, {
    mesh,
    cluster: name,
    kubernetesContext: options.context,
    timeoutSeconds: options.timeout,
    hasJoined: joinToken === undefined,
  })
  // It was for once.
  await api.remove(secret(joinTokenSecret))
  await context.print({
    value: { cluster: name, context: options.context, network: settings.network, inSync: true },
    names: [name],
    table: () => toSummary(name),
  })
}

const toSummary = (name: string): string =>
  [
    `Cluster ${name} is in the mesh and in sync. Next:`,
    '  kubectl label namespace NAMESPACE istio-injection=enabled     # its new pods get a proxy',
    '  kubectl rollout restart deployment --namespace NAMESPACE      # and so do those that are there',
    `  atoll cluster show ${name}`,
    '  atoll services',
  ].join('\n')

const findCluster = async (context: CliContext, mesh: string, cluster: string): Promise<Cluster | undefined> => {
  try {
    return await context.client().call(getCluster, { params: { mesh, cluster } })
  } catch (error) {
    if (error instanceof AtollError && error.code === 'not_found') return undefined
    throw error
  }
}

const toSettings = (
  context: CliContext,
  cluster: string,
  options: KubernetesJoinOptions & { readonly network: string },
): InstallSettings => {
  const { version } = findProgramFiles()
  const { network, plane, planeCa, image, proxyImage, replicas, gateway, failurePolicy, revision } = options
  const { ingressGateway, egressGateway, telemetryForward } = options
  return {
    cluster,
    network,
    plane: plane === undefined ? context.connection().url : toOrigin(plane, '--plane'),
    planeCa: planeCa === undefined ? undefined : readPlaneCa(planeCa),
    telemetryForward: telemetryForward === undefined ? undefined : readTelemetryForwards(telemetryForward),
    image: image ?? `atoll/agent:${version}`,
    proxyImage: proxyImage ?? `atoll/proxy:${version}`,
    replicas: replicas ?? defaultReplicas,
    gateway: toGatewaySettings(gateway),
    ...toNamespaces({ ingressGateway, egressGateway }),
    failurePolicy: failurePolicy === 'ignore' ? 'Ignore' : 'Fail',
    revision: revision ?? defaultRevision,
  }
}

interface Joining {
  readonly mesh: string
  readonly known: Cluster | undefined
  readonly settings: InstallSettings
  readonly ttlSeconds: number
}

const agentState = z.object({ membership: z.looseObject({}).nullable() })

/** The agents make their keys before they join. Nothing else in the Secret is looked at. */
const hasJoined = (state: FoundObject | undefined): boolean => {
  const { [agentStateKey]: record = '' } = z.record(z.string(), z.string()).safeParse(state?.['data']).data ?? {}
  if (record === '') return false
  return agentState.parse(JSON.parse(Buffer.from(record, 'base64').toString('utf8'))).membership !== null
}

/** Undefined for a cluster that has joined: its agents have an identity, and an upgrade asks for nothing. */
const makeJoinToken = async (
  context: CliContext,
  api: KubernetesApi,
  { mesh, known, settings: { cluster, network }, ttlSeconds }: Joining,
): Promise<string | undefined> => {
  const isMember = hasJoined(await api.find(secret(agentStateSecret)))
  if (isMember && known !== undefined) return undefined
  if (isMember) {
    throw new CliError('conflict', `Cluster ${cluster} was in a mesh before, and is not in ${mesh}`, {
      remedy: `Run "atoll cluster uninstall ${cluster} --context CONTEXT" first: what it is known by is worth nothing now.`,
    })
  }
  const made = await context
    .client()
    .call(createJoinToken, { params: { mesh }, json: { cluster, network, kind: 'kubernetes', ttlSeconds } })
  return made.secret
}

const waitUntilInSync = async (
  context: CliContext,
  api: KubernetesApi,
  wait: {
    readonly mesh: string
    readonly cluster: string
    readonly kubernetesContext: string
    readonly timeoutSeconds: number
    readonly hasJoined: boolean
  },
): Promise<void> => {
  const troubles = new PodTroubleWatch(context, api)
  const explain = () => troubles.look()
  const readiness = () => findAgentReadiness(api)
  try {
    const deadline = context.io.now() + wait.timeoutSeconds * 1000
    if (wait.hasJoined) await waitForRollout(context, api, wait.timeoutSeconds, explain)
    const timeoutSeconds = Math.max(0, (deadline - context.io.now()) / 1000)
    const { signal } = new AbortController()
    await waitForCluster(context, { ...wait, timeoutSeconds, signal, readiness, explain })
  } catch (error) {
    if (!(error instanceof CliError) || error.reason !== 'notInSync') throw error
    const complaints = await findAgentComplaints(api)
    const said = complaints.map((text) => `the agent says: ${text}`)
    throw new CliError('notInSync', [error.message, ...(await troubles.lookAtAll()), ...said].join('; '), {
      remedy: toRemedy(wait.kubernetesContext, complaints),
      cause: error,
    })
  }
}

const toRemedy = (kubernetesContext: string, complaints: readonly string[]): string => {
  const kubectl = `kubectl --context ${kubernetesContext} --namespace ${systemNamespace}`
  const isUntrusted = complaints.some((text) => /can't be reached: .*certificate/.test(text))
  return [
    ...(isUntrusted ? ['Say with "--plane-ca FILE" who vouches for the plane\'s certificate.'] : []),
    `See "${kubectl} get pods,events" and "${kubectl} logs deployment/${agentName}".`,
    'The same command goes on from here.',
  ].join(' ')
}

const printDryRun = async (
  context: CliContext,
  name: string,
  options: KubernetesJoinOptions & { readonly context: string },
): Promise<void> => {
  const settings = toSettings(context, name, { ...options, network: options.network ?? name })
  const definitions = readUpstreamDefinitions(findProgramFiles().crds)
  // Left out where they are somebody else's is what the command does by itself; whoever takes the text has to.
  context.note(
    [
      'No join token is among these. Before they are applied, make one, for once and an hour:',
      `  kubectl create namespace ${systemNamespace}`,
      `  atoll cluster join ${name} --network ${settings.network} --kind kubernetes > token`,
      `  kubectl create secret generic ${joinTokenSecret} --namespace ${systemNamespace} --from-file=token`,
      "The CustomResourceDefinitions are upstream's: leave them out where Istio has installed them.",
    ].join('\n'),
  )
  context.io.stdout.write(printManifests(definitions, buildManifests(settings), context.options.output))
}
