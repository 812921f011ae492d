import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client'
import type { AdsStatistics } from '#agent/ads/ads-server.ts'
import type { IdentityStatus } from '#agent/identity/cluster-identity.ts'
import type { ProbedGateway } from '#agent/probes/gateway-prober.ts'
import type { RegistrySource } from '#agent/registry/registry.ts'
import type { UplinkStatus } from '#agent/uplink/uplink.ts'

/** What an agent is measured by, as of now; parts that do not run yet are absent. */
export interface AgentMeasures {
  readonly uplink?: UplinkStatus
  readonly ads?: AdsStatistics
  readonly identity?: IdentityStatus
  readonly gateways?: readonly ProbedGateway[]
  readonly compiledRevision: number
  readonly proxies: number
  readonly registrySynced: boolean
  readonly registrySources?: readonly RegistrySource[]
  readonly problems: number
  readonly storeFailures: number
  /** Milliseconds since the epoch. */
  readonly now: number
}

/** The metrics of /metrics: measured once for each time they are scraped, so that nothing has to be counted twice. */
export const createAgentMetrics = (measure: () => AgentMeasures): Pick<Registry, 'metrics'> => {
  let measures = measure()
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })

  const gauge = (name: string, help: string, read: (measures: AgentMeasures) => number | undefined): void => {
    new Gauge({
      name: `atoll_agent_${name}`,
      help,
      registers: [registry],
      collect() {
        const value = read(measures)
        if (value === undefined) this.remove()
        else this.set(value)
      },
    })
  }
  const counter = (name: string, help: string, read: (measures: AgentMeasures) => number | undefined): void => {
    new Counter({
      name: `atoll_agent_${name}`,
      help,
      registers: [registry],
      collect() {
        this.reset()
        this.inc(read(measures) ?? 0)
      },
    })
  }
  const labelled = (
    name: string,
    help: string,
    labelNames: readonly string[],
    read: (measures: AgentMeasures) => readonly { readonly labels: Record<string, string>; readonly value: number }[],
  ): void => {
    new Gauge({
      name: `atoll_agent_${name}`,
      help,
      labelNames,
      registers: [registry],
      collect() {
        this.reset()
        for (const { labels, value } of read(measures)) this.set(labels, value)
      },
    })
  }

  gauge('uplink_live', 'Whether the agent is in step with the control plane.', ({ uplink }) =>
    Number(uplink?.live ?? false),
  )
  gauge('uplink_reporting', 'Whether this replica reports for its cluster.', ({ uplink }) =>
    Number(uplink?.reporting ?? false),
  )
  gauge('uplink_queue_length', 'Messages that wait to be sent to the control plane.', ({ uplink }) => uplink?.queued)
  gauge('uplink_failures', 'Attempts since the last uplink that held.', ({ uplink }) => uplink?.failures)
  gauge(
    'plane_data_age_seconds',
    "How long ago the control plane's data were known to be current.",
    ({ uplink, now }) => (uplink && uplink.asOf > 0 ? (now - uplink.asOf) / 1000 : undefined),
  )
  gauge('plane_revision', 'Configuration revision that was received.', ({ uplink }) => uplink?.revision)
  gauge('compiled_revision', 'Configuration revision that is compiled.', ({ compiledRevision }) => compiledRevision)
  gauge('holds', 'Steps that are held until a person confirms them.', ({ uplink }) => uplink?.holds.length)
  gauge('registry_synced', 'Whether the whole registry has been read.', ({ registrySynced }) => Number(registrySynced))
  gauge('problems', 'Problems of objects in the registry and the configuration.', ({ problems }) => problems)
  gauge('proxies', 'Connected proxies.', ({ proxies }) => proxies)
  gauge('xds_streams', 'Open xDS streams.', ({ ads }) => ads?.openStreams)
  counter('xds_responses_total', 'xDS responses that were sent.', ({ ads }) => ads?.responses)
  counter('xds_response_bytes_total', 'Bytes of xDS responses.', ({ ads }) => ads?.responseBytes)
  counter('xds_nacks_total', 'Resources that proxies refused.', ({ ads }) => ads?.nacks)
  counter('xds_refused_streams_total', 'xDS streams that were refused.', ({ ads }) => ads?.refusedStreams)
  counter(
    'store_failures_total',
    'Reports of damaged or unwritable files in the data directory.',
    ({ storeFailures }) => storeFailures,
  )
  labelled(
    'registry_age_seconds',
    'Seconds since the API server last told a change of a resource, or that there was none.',
    ['resource'],
    ({ registrySources = [], now }) =>
      registrySources.flatMap(({ name, heardAt }) =>
        heardAt > 0 ? [{ labels: { resource: name }, value: (now - heardAt) / 1000 }] : [],
      ),
  )
  labelled(
    'certificate_expiry_seconds',
    'Seconds until a certificate expires; of the workloads, the first that does.',
    ['certificate'],
    ({ identity, now }) =>
      Object.entries({
        intermediate: identity?.intermediate.notAfter,
        agent: identity?.serverNotAfter,
        workload: identity?.earliestLeafNotAfter,
      }).flatMap(([certificate, notAfter]) =>
        notAfter ? [{ labels: { certificate }, value: (notAfter - now) / 1000 }] : [],
      ),
  )
  labelled(
    'gateway_reachable',
    "Whether another network's gateway is reachable.",
    ['cluster', 'address', 'port'],
    ({ gateways = [] }) =>
      gateways.map(({ cluster, address, port, reachable }) => ({
        labels: { cluster, address, port: String(port) },
        value: Number(reachable),
      })),
  )
  return {
    metrics: () => {
      measures = measure()
      return registry.metrics()
    },
  }
}
