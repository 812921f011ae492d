import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client'
import type { AdsStatistics } from '#agent/ads/ads-server.ts'
import type { IdentityStatus } from '#agent/identity/cluster-identity.ts'
import type { ProbedGateway } from '#agent/probes/gateway-prober.ts'
import type { KeySetStatus } from '#agent/jwks/key-sets.ts'
import type { LimitStatistics } from '#agent/limits/limit-book.ts'
import type { InjectorStatus } from '#agent/injection/injector.ts'
import type { RegistrySource } from '#agent/registry/registry.ts'
import type { MeterStatistics } from '#agent/telemetry/metrics/cluster-meter.ts'
import type { ForwardStatus } from '#agent/telemetry/forward/forward.ts'
import type { OutboxStatus } from '#agent/telemetry/outbox/outbox.ts'
import type { UplinkStatus } from '#agent/uplink/uplink.ts'
import { withoutQuery } from '#mesh/security/key-source.ts'
import { hold, type Delivery } from '#mesh/uplink.ts'
import { toHistogramText } from './duration-histogram.ts'

/** What an agent is measured by, as of now; parts that do not run yet are absent. */
export interface AgentMeasures {
  readonly uplink?: UplinkStatus
  readonly ads?: AdsStatistics
  readonly identity?: IdentityStatus
  /** When the first token ends of those with which machines are connected. */
  readonly machineTokenNotAfter?: number | undefined
  readonly gateways?: readonly ProbedGateway[]
  readonly delivery?: Delivery
  readonly keySets?: readonly KeySetStatus[]
  readonly injector?: InjectorStatus | undefined
  readonly telemetry?: OutboxStatus
  readonly forwards?: readonly ForwardStatus[]
  readonly meter?: MeterStatistics
  readonly limits?: LimitStatistics
  readonly compiledRevision: number
  readonly proxies: number
  readonly registrySynced: boolean
  /** When what is served of a registry that could not be read yet was written down. */
  readonly registryAsOf?: number | undefined
  readonly registrySources?: readonly RegistrySource[]
  readonly problems: number
  readonly storeFailures: number
  /** Milliseconds since the epoch. */
  readonly now: number
}

type ReadLabelled = (
  measures: AgentMeasures,
) => readonly { readonly labels: Record<string, string>; readonly value: number }[]

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
  const toLabelled =
    (Metric: typeof Gauge | typeof Counter) =>
    (name: string, help: string, labelNames: readonly string[], read: ReadLabelled): void => {
      new Metric({
        name: `atoll_agent_${name}`,
        help,
        labelNames,
        registers: [registry],
        collect() {
          this.reset()
          for (const { labels, value } of read(measures)) this.inc(labels, value)
        },
      })
    }
  const labelled = toLabelled(Gauge)
  const labelledCounter = toLabelled(Counter)
  const counter = (name: string, help: string, read: (measures: AgentMeasures) => number | undefined): void =>
    labelledCounter(name, help, [], (now) => [{ labels: {}, value: read(now) ?? 0 }])

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
  labelled('holds', 'Steps that are held until a person confirms them.', ['kind'], ({ uplink }) =>
    hold.shape.kind.options.map((kind) => ({
      labels: { kind },
      value: uplink?.holds.filter((held) => held.kind === kind).length ?? 0,
    })),
  )
  gauge('registry_synced', 'Whether the whole registry has been read.', ({ registrySynced }) => Number(registrySynced))
  gauge(
    'registry_kept_age_seconds',
    'How old the registry is that is served because it could not be read since the start.',
    ({ registryAsOf, now }) => (registryAsOf === undefined ? undefined : (now - registryAsOf) / 1000),
  )
  gauge('problems', 'Problems of objects in the registry and the configuration.', ({ problems }) => problems)
  gauge('proxies', 'Connected proxies.', ({ proxies }) => proxies)
  gauge(
    'proxies_behind',
    'Connected proxies that do not have the compiled revision yet, or refused something of it.',
    ({ delivery }) => delivery && delivery.proxies - countUpToDate(delivery),
  )
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
    'Seconds until a certificate expires; of the workloads and of the external issuers, the first that does.',
    ['certificate'],
    ({ identity, injector, now }) =>
      Object.entries({
        root: identity?.earliestRootNotAfter,
        intermediate: identity?.intermediate.notAfter,
        agent: identity?.serverNotAfter,
        injector: injector?.certificateNotAfter,
        workload: identity?.earliestLeafNotAfter,
        issuer: identity?.earliestIssuerNotAfter,
      }).flatMap(([certificate, notAfter]) =>
        notAfter ? [{ labels: { certificate }, value: (notAfter - now) / 1000 }] : [],
      ),
  )
  gauge(
    'machine_token_expiry_seconds',
    'Seconds until a token ends with which a machine is connected, the first that does.',
    ({ machineTokenNotAfter, now }) =>
      machineTokenNotAfter === undefined ? undefined : (machineTokenNotAfter - now) / 1000,
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
  labelled(
    'gateway_addresses',
    "IP addresses that another network's gateway has; 0 = its name does not resolve.",
    ['cluster', 'address', 'port'],
    ({ gateways = [] }) =>
      gateways.map(({ cluster, address, port, resolved }) => ({
        labels: { cluster, address, port: String(port) },
        value: resolved.length,
      })),
  )
  labelled(
    'key_set_age_seconds',
    "How long ago an issuer's keys were fetched, which are asked for each twenty minutes; absent = never.",
    ['url'],
    ({ keySets = [], now }) =>
      keySets.flatMap(({ url, fetchedAt }) =>
        fetchedAt === undefined ? [] : [{ labels: { url: withoutQuery(url) }, value: (now - fetchedAt) / 1000 }],
      ),
  )
  labelled('key_set_failures', "Attempts since an issuer's keys were last fetched.", ['url'], ({ keySets = [] }) =>
    keySets.map(({ url, failures }) => ({ labels: { url: withoutQuery(url) }, value: failures })),
  )
  gauge(
    'injector_ready',
    'Whether API servers can be answered about pods.',
    ({ injector }) => injector && Number(injector.ready),
  )
  labelledCounter('injector_reviews_total', 'Pods that API servers asked about.', ['outcome'], ({ injector }) =>
    Object.entries(injector?.reviews ?? {}).map(([outcome, value]) => ({ labels: { outcome }, value })),
  )
  labelledCounter(
    'injector_failures_total',
    "Failures to keep the injector's certificate, or to tell API servers whom to believe.",
    ['step'],
    ({ injector }) => Object.entries(injector?.failures ?? {}).map(([step, value]) => ({ labels: { step }, value })),
  )
  const ofSignals = (values: Readonly<Record<string, number>> | undefined) =>
    Object.entries(values ?? {}).map(([signal, value]) => ({ labels: { signal }, value }))
  const counted = (telemetry: OutboxStatus | undefined, name: 'received' | 'sent') =>
    ofSignals(
      telemetry && Object.fromEntries(Object.entries(telemetry.counts).map(([key, value]) => [key, value[name]])),
    )
  labelledCounter(
    'telemetry_received_total',
    'Records that proxies told: each is sent, shed, or waits.',
    ['signal'],
    ({ telemetry }) => counted(telemetry, 'received'),
  )
  labelledCounter('telemetry_sent_total', 'Records that the control plane has taken.', ['signal'], ({ telemetry }) =>
    counted(telemetry, 'sent'),
  )
  labelledCounter(
    'telemetry_shed_total',
    'Records that were lost, and why (docs/telemetry.md).',
    ['signal', 'reason'],
    ({ telemetry }) => (telemetry ? toShed(telemetry) : []),
  )
  labelled('telemetry_waiting', 'Records in memory that wait to be sent.', ['signal'], ({ telemetry }) =>
    ofSignals(telemetry?.waiting),
  )
  labelled('telemetry_spooled', 'Records on disk that wait to be sent.', ['signal'], ({ telemetry }) =>
    ofSignals(telemetry?.spooled),
  )
  gauge('telemetry_spool_bytes', 'What waits on disk.', ({ telemetry }) => telemetry?.spoolBytes)
  gauge('telemetry_spool_limit_bytes', 'What may wait on disk.', ({ telemetry }) => telemetry?.spoolLimitBytes)
  gauge(
    'telemetry_failures',
    'Attempts since the control plane took telemetry.',
    ({ telemetry }) => telemetry?.failures,
  )
  const ofForwards = (
    forwards: AgentMeasures['forwards'],
    read: (status: OutboxStatus) => readonly { readonly labels: Record<string, string>; readonly value: number }[],
  ) =>
    (forwards ?? []).flatMap(({ to, status }) =>
      read(status).map(({ labels, value }) => ({ labels: { to, ...labels }, value })),
    )
  labelledCounter(
    'telemetry_forward_received_total',
    'Records, spans and data points for a backend: each is sent, shed, or waits.',
    ['to', 'signal'],
    ({ forwards }) => ofForwards(forwards, (status) => counted(status, 'received')),
  )
  labelledCounter(
    'telemetry_forward_sent_total',
    'Records, spans and data points that a backend has taken.',
    ['to', 'signal'],
    ({ forwards }) => ofForwards(forwards, (status) => counted(status, 'sent')),
  )
  labelledCounter(
    'telemetry_forward_shed_total',
    'What was lost on the way to a backend, and why (docs/telemetry.md).',
    ['to', 'signal', 'reason'],
    ({ forwards }) => ofForwards(forwards, toShed),
  )
  labelled('telemetry_forward_waiting', 'What waits in memory for a backend.', ['to', 'signal'], ({ forwards }) =>
    ofForwards(forwards, ({ waiting }) => ofSignals(waiting)),
  )
  labelled('telemetry_forward_spooled', 'What waits on disk for a backend.', ['to', 'signal'], ({ forwards }) =>
    ofForwards(forwards, ({ spooled }) => ofSignals(spooled)),
  )
  labelled('telemetry_forward_failures', 'Attempts since a backend took something.', ['to'], ({ forwards }) =>
    ofForwards(forwards, ({ failures }) => [{ labels: {}, value: failures }]),
  )
  labelledCounter(
    'mesh_limits_total',
    'Requests that limits of the scope MESH were asked about: leased and ahead are counted over the mesh, open went through without being, full had no count of their own.',
    ['outcome'],
    ({ limits }) =>
      Object.entries(limits ? { ...limits.passed, refused: limits.refused, full: limits.unaccounted } : {}).map(
        ([outcome, value]) => ({ labels: { outcome }, value }),
      ),
  )
  gauge(
    'mesh_limit_counts',
    'Counts of limits of the scope MESH that this replica keeps.',
    ({ limits }) => limits?.accounts,
  )
  gauge('standard_metrics_series', 'Series of the standard metrics of this cluster.', ({ meter }) => meter?.series)
  counter('standard_metrics_pushes_total', 'What proxies pushed of their counters.', ({ meter }) => meter?.pushes)
  counter(
    'standard_metrics_skipped_total',
    'Times that a proxy came whose counts up to then were not taken: another replica may have them.',
    ({ meter }) => meter?.skipped,
  )
  counter('standard_metrics_malformed_total', 'Data points of proxies that were none.', ({ meter }) => meter?.malformed)
  labelledCounter(
    'standard_metrics_overflow_total',
    'Counts without a series of their own, for lack of room in a proxy or in the agent.',
    ['where'],
    ({ meter }) => Object.entries(meter?.overflowed ?? {}).map(([where, value]) => ({ labels: { where }, value })),
  )
  counter(
    'proxy_records_dropped_total',
    'Access log records that proxies could not get rid of.',
    ({ meter }) => meter?.recordsDropped,
  )
  return {
    metrics: async () => {
      measures = measure()
      const { injector } = measures
      const text = await registry.metrics()
      if (injector === undefined) return text
      return `${text}\n${toHistogramText('atoll_agent_injector_review_seconds', 'Time to answer about a pod.', injector.durations)}`
    },
  }
}

const toShed = ({ counts }: OutboxStatus) =>
  Object.entries(counts).flatMap(([signal, { shed }]) =>
    Object.entries(shed).map(([reason, value]) => ({ labels: { signal, reason }, value })),
  )

/** A proxy that refused something is not live on what it refused. */
const countUpToDate = ({ live, compiled }: Delivery): number =>
  live.filter(({ revision }) => revision >= compiled).reduce((sum, { proxies }) => sum + proxies, 0)
