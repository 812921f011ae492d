import { z } from 'zod'
import { parseJson } from '../parse-json.ts'
import { isFields } from '../is-fields.ts'
import { commandOperatorFault } from './schema/command-operators.ts'
import { connectionPool, tcpKeepalive } from './schema/connection-pool.ts'
import { durationOrZero, positiveDuration } from './schema/duration.ts'
import { exportToFaults } from './schema/export-to.ts'
import { extensionProviders, toKnownForms } from './schema/extension-providers.ts'
import { isDnsLabel } from './schema/host-names.ts'
import { httpRetries } from './schema/http-retries.ts'
import { localityLbSetting } from './schema/locality.ts'
import { checked, choice, fieldNotes, message, optionalText, unsupported, withoutEffect } from './schema/message.ts'
import { cipherSuites } from './schema/server-tls.ts'
import { outlierDetection } from './schema/outlier-detection.ts'
import { fixedPort, proxySettings } from './schema/proxy-settings.ts'
import { serviceSettings, toStrictServiceSettings } from './schema/service-settings.ts'

const exportTo = checked(z.array(z.string()), ({ value, report }) => {
  for (const { index, message: fault } of exportToFaults(value, '', { none: true })) report(fault, [index])
})
  .optional()
  .register(fieldNotes, { limit: '`.`, `*`, `~`, namespaces' })

/** A name that Envoy does not know would be refused by every proxy. */
const oneOf = (known: readonly string[]) =>
  z.array(
    checked(z.string(), ({ value, report }) => {
      if (!known.includes(value)) report(`must be one of ${known.join(', ')}`, [], { known })
    }),
  )

/** BoringSSL's. */
const curves: readonly string[] = ['P-256', 'P-384', 'P-521', 'X25519', 'X25519MLKEM768']

const tlsFields = {
  minProtocolVersion: choice(['TLS_AUTO', 'TLSV1_2', 'TLSV1_3']).default('TLS_AUTO'),
  /** Of TLS 1.2 alone: BoringSSL chooses those of 1.3. */
  cipherSuites: oneOf(cipherSuites).optional(),
}

/** Of ISTIO_MUTUAL. Istio's validation takes no curves here (ValidateMeshTLSConfig). */
const meshTls = message({
  ...tlsFields,
  ecdhCurves: unsupported('mesh mTLS has the curves of its proxies: tlsDefaults has those of other TLS'),
})

/** Of all other TLS: what gateways serve and proxies originate. The version is for servers alone, as in Istio. */
const tlsDefaults = message({ ...tlsFields, ecdhCurves: oneOf(curves).optional() })

/** Istio's ValidateTrustDomain: DNS labels, the last of which may be empty. */
const trustDomainName = checked(z.string(), ({ value, report }) => {
  const labels = value.replace(/\.$/, '').split('.')
  if (!labels.every(isDnsLabel)) report('must be a domain name')
})

const ofIngress = unsupported('Kubernetes Ingress is not read: write a Gateway and a VirtualService')
const providerNames = z.array(z.string()).default([])

/**
 * What holds for a whole mesh, in Istio's words and with its defaults (Istio reference: MeshConfig).
 */
export const meshConfigSchema = checked(
  message({
    outboundTrafficPolicy: message({
      mode: choice(['ALLOW_ANY', 'REGISTRY_ONLY'], {
        ALLOW_ANY_DYNAMIC_DNS: 'unknown hosts go where they were going: use ALLOW_ANY',
      }).default('ALLOW_ANY'),
      tls: unsupported('unknown destinations are reached as the application speaks'),
    }).prefault({}),
    inboundTrafficPolicy: message({ mode: choice(['PASSTHROUGH', 'LOCALHOST']).default('PASSTHROUGH') }).prefault({}),
    rootNamespace: z.string().min(1).default('atoll-system'),
    proxyHttpPort: z.int().min(0).max(65535).default(15007),
    proxyListenPort: fixedPort(15001),
    proxyInboundListenPort: fixedPort(15006),
    connectTimeout: positiveDuration.prefault('10s'),
    tcpKeepalive: tcpKeepalive.optional(),
    protocolDetectionTimeout: durationOrZero.prefault('5s'),
    h2UpgradePolicy: choice(['DO_NOT_UPGRADE', 'UPGRADE']).default('DO_NOT_UPGRADE'),
    defaultHttpRetryPolicy: httpRetries.optional(),
    defaultTrafficPolicy: message({
      connectionPool: connectionPool.optional(),
      outlierDetection: outlierDetection.optional(),
    }).optional(),
    localityLbSetting: localityLbSetting.optional(),
    zoneAwareLbSetting: unsupported(
      'it needs proxies that know the endpoints of their own service: use localityLbSetting',
    ),
    defaultServiceExportTo: exportTo,
    defaultVirtualServiceExportTo: exportTo,
    defaultDestinationRuleExportTo: exportTo,
    serviceSettings: z.array(serviceSettings).default([]),
    serviceScopeConfigs: unsupported('it is for ambient mode'),
    serviceEntryVisibility: unsupported('exportTo says who sees a ServiceEntry'),
    pathNormalization: message({
      normalization: choice(['DEFAULT', 'NONE', 'BASE', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES']).default(
        'DEFAULT',
      ),
    }).prefault({}),
    meshMTLS: meshTls.prefault({}),
    tlsDefaults: tlsDefaults.prefault({}),
    accessLogFile: optionalText(
      checked(z.string(), ({ value, report }) => {
        if (!value.startsWith('/')) report('must be the path of a file, such as /dev/stdout')
      }),
    ).register(fieldNotes, { limit: 'a file that every proxy can write: one that can not does without it' }),
    accessLogFormat: optionalText(
      checked(z.string(), ({ value, report }) => {
        const fault = commandOperatorFault(value, 'access log')
        if (fault !== undefined) report(fault)
      }),
    ),
    accessLogEncoding: choice(['TEXT', 'JSON']).default('TEXT'),
    enableEnvoyAccessLogService: withoutEffect(z.boolean(), 'name a provider: extensionProviders, defaultProviders'),
    disableEnvoyListenerLog: z.boolean().default(false),
    enableTracing: withoutEffect(
      z.boolean(),
      'requests always have a trace; defaultProviders and Telemetry say who is sent its spans',
    ),
    extensionProviders: extensionProviders.default([]),
    defaultProviders: message({
      tracing: providerNames,
      metrics: providerNames,
      accessLogging: providerNames,
    }).prefault({}),
    enablePrometheusMerge: z.boolean().default(true).register(fieldNotes, {
      limit: "a pod answers with its application's metrics: the mesh's are the agents' to tell",
    }),
    inboundClusterStatName: unsupported('statistics have the names that dashboards know'),
    outboundClusterStatName: unsupported('statistics have the names that dashboards know'),
    enableAutoMtls: checked(z.boolean(), ({ value, report }) => {
      if (!value) report('mesh mTLS is what proxies speak to each other', [], { problem: 'unsupported' })
    })
      .optional()
      .register(fieldNotes, { limit: 'only `true`' }),
    verifyCertificateAtClient: withoutEffect(
      z.boolean(),
      "certificates of servers are always verified, by the machine's authorities where no others are named",
    ),
    /** Whether it is the mesh's own is for who knows that to check. */
    trustDomain: optionalText(trustDomainName).register(fieldNotes, {
      limit: "only the mesh's own, which it has for good",
    }),
    trustDomainAliases: z.array(trustDomainName).default([]).register(fieldNotes, {
      limit:
        "names of these domains in `subjectAltNames` mean the mesh's own workloads; certificates are of the mesh's alone",
    }),
    ca: unsupported("the mesh's root signs"),
    caCertificates: unsupported('external issuers are trusted by "atoll trust issuer add"'),
    certificates: unsupported('the mesh issues what its proxies need'),
    dnsRefreshRate: positiveDuration.optional(),
    discoverySelectors: unsupported('all namespaces are seen: use exportTo and Sidecar objects'),
    configSources: unsupported('configuration comes from the plane and from the cluster'),
    hboneIdleTimeout: unsupported('it is for ambient mode'),
    ingressClass: ofIngress,
    ingressService: ofIngress,
    ingressSelector: ofIngress,
    ingressControllerMode: ofIngress,
    defaultConfig: proxySettings.prefault({}),
  }),
  ({ value, report }) => {
    const { accessLogEncoding, accessLogFormat } = value
    const parsed = accessLogFormat === undefined ? {} : parseJson(accessLogFormat)
    if (accessLogEncoding === 'JSON' && !isFields(parsed))
      report('must be a JSON object, as accessLogEncoding says', ['accessLogFormat'])
  },
)

/** A mesh's settings with all defaults. */
export type MeshConfig = z.output<typeof meshConfigSchema>

/** What is written in upstream's form, field by field. */
export type WrittenMeshConfig = Readonly<Record<string, unknown>>

/** A JSON merge patch (RFC 7396) of the fields: each as a whole, null takes one away. */
export const withChangedFields = (
  written: WrittenMeshConfig,
  changes: WrittenMeshConfig | undefined,
): WrittenMeshConfig =>
  Object.fromEntries(Object.entries({ ...written, ...changes }).filter(([, value]) => value !== null))

export const defaultMeshConfig: MeshConfig = meshConfigSchema.parse({})

/**
 * What this version takes a field for that says more than it understands: the strictest that the field can be, where leaving it out
 * would let through what it forbids.
 */
const strictest: WrittenMeshConfig = {
  outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' },
  pathNormalization: { normalization: 'DECODE_AND_MERGE_SLASHES' },
  meshMTLS: { minProtocolVersion: 'TLSV1_3' },
  tlsDefaults: { minProtocolVersion: 'TLSV1_3' },
  defaultServiceExportTo: ['.'],
  defaultVirtualServiceExportTo: ['.'],
  defaultDestinationRuleExportTo: ['.'],
}

const toStrictest = (name: string, value: unknown): WrittenMeshConfig => {
  if (name === 'serviceSettings') return { [name]: toStrictServiceSettings(value) }
  if (name === 'extensionProviders') return { [name]: toKnownForms(value) }
  return Object.hasOwn(strictest, name) ? { [name]: strictest[name] } : {}
}

interface Reading {
  readonly understood: WrittenMeshConfig
  readonly strange: readonly string[]
}

const readFields = (written: WrittenMeshConfig): Reading => {
  if (meshConfigSchema.safeParse(written).success) return { understood: written, strange: [] }
  // Fields may be right one by one and wrong together.
  return Object.entries(written).reduce<Reading>(
    ({ understood, strange }, [name, value]) => {
      const more = { ...understood, [name]: value }
      if (meshConfigSchema.safeParse(more).success) return { understood: more, strange }
      return { understood: { ...understood, ...toStrictest(name, value) }, strange: [...strange, name] }
    },
    { understood: {}, strange: [] },
  )
}

/**
 * The settings of a mesh that were accepted before. What this version does not understand, of a newer plane's, is left at its default,
 * field by field, or is as strict as the field can be where that is about who may do what.
 */
export const readMeshConfig = (written: WrittenMeshConfig): MeshConfig =>
  meshConfigSchema.parse(readFields(written).understood)

/** The fields that this version does not understand, and what it takes them for. */
export const findStrangeFields = (written: WrittenMeshConfig): readonly string[] => {
  const { understood, strange } = readFields(written)
  return strange.map((name) => {
    const taken = Object.hasOwn(understood, name)
      ? `for ${JSON.stringify(understood[name])}`
      : 'as if it were not there'
    return `${name} says what this version does not understand: it is taken ${taken}`
  })
}
