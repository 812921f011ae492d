import type { IdentityStatus } from './identity/cluster-identity.ts'
import type { UplinkStatus } from './uplink/uplink.ts'
import type { OutboxStatus } from './telemetry/outbox/outbox.ts'
import type { ClusterName } from '#mesh/names.ts'

export interface AgentState {
  readonly cluster: ClusterName
  readonly replica: string
  readonly registry: { readonly isSynced: boolean; readonly asOf: number | undefined }
  readonly problems: number
  /** Proxies are served. */
  readonly serving: boolean
  readonly hasState: boolean
  readonly compiledRevision: number
  readonly proxies: number
  readonly identity: IdentityStatus
  readonly uplink: UplinkStatus
  readonly telemetry: OutboxStatus
}

/** docs/runbooks/cluster-lost.md */
const evictedRemedy = (cluster: ClusterName): string =>
  `the cluster ${cluster} was evicted: no other cluster believes its certificates, and it hears of no change. Its own proxies go on with what there is. ` +
  `To come back it joins as a new one: in Kubernetes "atoll cluster uninstall ${cluster} --context CONTEXT --keep-in-mesh", then ` +
  `"atoll cluster join ${cluster} --context CONTEXT"; on machines "atoll cluster join ${cluster}" with another --data, and new machine tokens`

/** What /readyz says. Ready is an agent that gives proxies what they need, however old its data are and whatever the plane says of it. */
export const toReadiness = (
  state: AgentState,
  now: number,
): { readonly ready: boolean } & Readonly<Record<string, unknown>> => {
  const { cluster, registry, serving, uplink } = state
  const { live, phase, asOf, position, revision, reporting, holds, lastFailure, refusal } = uplink
  const { intermediate, untrusted, untrustedIssuers, withoutLeaf } = state.identity
  return {
    ready: serving && state.hasState && intermediate.state !== 'expired',
    cluster,
    replica: state.replica,
    registry: {
      synced: registry.isSynced,
      ...(registry.asOf === undefined ? {} : { asOf: new Date(registry.asOf).toISOString() }),
      problems: state.problems,
    },
    xds: { serving, revision: state.compiledRevision, proxies: state.proxies },
    identity: {
      intermediate: intermediate.state,
      intermediateNotAfter: new Date(intermediate.notAfter).toISOString(),
      untrusted: [...untrusted, ...untrustedIssuers],
      withoutLeaf,
    },
    telemetry: toTelemetry(state.telemetry, now),
    plane: {
      live,
      phase,
      dataAsOf: asOf > 0 ? new Date(asOf).toISOString() : null,
      dataAgeSeconds: asOf > 0 ? Math.round((now - asOf) / 1000) : null,
      position,
      revision,
      reporting,
      holds,
      ...(live || lastFailure === undefined ? {} : { lastFailure }),
      ...(refusal === 'evicted' ? { evicted: evictedRemedy(cluster) } : {}),
    },
  }
}

const shedIsRecentMilliseconds = 600_000

/** Whether it gets to the plane, and whether any was lost of late: what is waiting is not. */
const toTelemetry = (status: OutboxStatus, now: number): Readonly<Record<string, unknown>> => {
  const { isAway, lastFailure, spoolBytes, spoolLimitBytes, shedAt } = status
  return {
    away: isAway,
    spooledBytes: spoolBytes,
    spoolLimitBytes,
    shedding: now - shedAt < shedIsRecentMilliseconds,
    ...(shedAt > 0 && { shedAt: new Date(shedAt).toISOString() }),
    ...(lastFailure !== undefined && { lastFailure }),
  }
}
