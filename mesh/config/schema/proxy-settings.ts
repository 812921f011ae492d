import { z } from 'zod'
import { proxyCustomTags } from './custom-tag.ts'
import { positiveDuration } from './duration.ts'
import { checked, choice, fieldNotes, message, optionalText, unsupported, withoutEffect } from './message.ts'

/** The injector's own: a proxy says its name by them. */
const reservedVariables: readonly string[] = ['POD_NAME', 'POD_NAMESPACE']

/** Variables of a proxy's environment. Their names are what every API server takes (Kubernetes: IsEnvVarName). */
export const environmentVariables = checked(z.record(z.string(), z.string().max(2048)), ({ value, report }) => {
  for (const name of Object.keys(value)) {
    if (!/^[-._a-zA-Z][-._a-zA-Z0-9]*$/.test(name))
      report('is not the name of a variable: letters, digits, "_", "-" and ".", not starting with a digit', [name])
    else if (reservedVariables.includes(name)) report("is the injector's own", [name], { problem: 'unsupported' })
  }
})

/** Worker threads: 0 = one for each CPU of the node. */
export const concurrency = z.int().min(0).max(1024)

/** Why nothing follows from an image's type. */
export const onlyImage = 'there is one image: sidecar.istio.io/proxyImage names another'

/** Istio: the variant of an installation's image. */
export const proxyImage = message({
  imageType: optionalText(z.string()).register(fieldNotes, { withoutEffect: onlyImage }),
})

/** A port that is the same for all proxies; 0 = not said. */
export const fixedPort = (fixed: number) =>
  checked(z.int(), ({ value, report }) => {
    if (value !== 0 && value !== fixed) report(`is always ${fixed}`, [], { problem: 'unsupported' })
  })
    .optional()
    .register(fieldNotes, { limit: `only ${fixed}` })

const ofBootstrap = "what proxies start with is the agent's to write"
const ofProvider = 'name a provider: extensionProviders, defaultProviders'
const ofFilter = 'an EnvoyFilter sets it in the HTTP connection manager'

/** What Telemetry leaves out of traces (Istio reference: mesh, Tracing). */
const tracing = message({
  zipkin: withoutEffect(z.unknown(), ofProvider),
  lightstep: withoutEffect(z.unknown(), ofProvider),
  datadog: withoutEffect(z.unknown(), ofProvider),
  stackdriver: withoutEffect(z.unknown(), ofProvider),
  openCensusAgent: withoutEffect(z.unknown(), ofProvider),
  customTags: proxyCustomTags.optional(),
  maxPathTagLength: z.int().min(0).max(0xffff_ffff).optional(),
  /** A percentage. */
  sampling: z.number().min(0).optional(),
  tlsSettings: withoutEffect(z.unknown(), 'a DestinationRule says how a provider is reached'),
  enableIstioTags: z.boolean().optional(),
})

/**
 * How a proxy runs: MeshConfig's `defaultConfig`, and the annotation `proxy.istio.io/config` of a pod (Istio reference: mesh, ProxyConfig).
 * What it leaves out is said elsewhere, or has Istio's default.
 */
export const proxySettings = message({
  concurrency: concurrency.optional(),
  proxyMetadata: environmentVariables.optional(),
  image: proxyImage.optional(),
  holdApplicationUntilProxyStarts: z.boolean().optional(),
  terminationDrainDuration: positiveDuration.optional(),
  fileFlushInterval: positiveDuration.optional(),
  fileFlushMinSizeKb: z.int().min(0).max(0xffff_ffff).optional(),
  gatewayTopology: message({
    numTrustedProxies: z.int().min(0).max(0xffff_ffff).optional(),
    forwardClientCertDetails: unsupported('a gateway tells of the certificate that its own client has shown'),
    proxyProtocol: unsupported('gateways do not read the PROXY protocol'),
  }).optional(),
  interceptionMode: choice(['REDIRECT'], {
    TPROXY: 'captured connections are redirected',
    NONE: 'captured connections are redirected: leave the pod uninjected, or say what is captured by annotations',
  }).optional(),
  controlPlaneAuthPolicy: choice(['MUTUAL_TLS'], { NONE: 'proxies reach their agent over TLS' }).optional(),
  proxyAdminPort: fixedPort(15_000),
  statusPort: fixedPort(15_020),
  drainDuration: unsupported('it is 10s: what a closing connection needs is kept as long as that takes'),
  readinessProbe: unsupported('say it of each WorkloadGroup: probe'),
  configPath: withoutEffect(z.string(), ofBootstrap),
  binaryPath: withoutEffect(z.string(), "the image's entrypoint is Envoy"),
  discoveryAddress: withoutEffect(z.string(), 'a proxy is told where its agent is when it is made'),
  customConfigFile: unsupported(ofBootstrap),
  proxyBootstrapTemplatePath: unsupported(ofBootstrap),
  runtimeValues: unsupported(ofBootstrap),
  serviceCluster: withoutEffect(z.string(), 'in a trace a service has the name of its workload'),
  tracingServiceName: choice([
    'APP_LABEL_AND_NAMESPACE',
    'CANONICAL_NAME_ONLY',
    'CANONICAL_NAME_AND_NAMESPACE',
  ]).optional(),
  tracing: tracing.optional(),
  zipkinAddress: withoutEffect(z.unknown(), ofProvider),
  envoyAccessLogService: withoutEffect(z.unknown(), ofProvider),
  envoyMetricsService: withoutEffect(z.unknown(), 'statistics go to the agent'),
  envoyMetricsServiceAddress: withoutEffect(z.unknown(), 'statistics go to the agent'),
  statsdUdpAddress: unsupported('statistics are scraped: proxies send none'),
  statNameLength: withoutEffect(z.int(), 'names of statistics are not cut'),
  proxyStatsMatcher: withoutEffect(z.unknown(), 'proxies have all of their statistics'),
  extraStatTags: withoutEffect(z.array(z.string()), 'as upstream, where it is deprecated'),
  statsCompression: withoutEffect(z.boolean(), 'they are sent as they are'),
  meshId: withoutEffect(z.string(), 'a mesh has its id by itself'),
  caCertificatesPem: unsupported('external issuers are trusted by "atoll trust issuer add"'),
  privateKeyProvider: unsupported('it needs hardware, and an Envoy that is built for it'),
  proxyHeaders: unsupported(ofFilter),
  connectionSettings: unsupported(ofFilter),
  availabilityZone: withoutEffect(z.string(), 'deprecated: topology comes from the node'),
  discoveryRefreshDelay: withoutEffect(z.string(), 'deprecated'),
  sds: withoutEffect(z.unknown(), 'deprecated'),
})
export type ProxySettings = z.output<typeof proxySettings>
