import { z } from 'zod'
import { connectionPool } from './connection-pool.ts'
import { durationOrZero, positiveDuration } from './duration.ts'
import { findRepeated } from './find-repeated.ts'
import { localityLbSetting } from './locality.ts'
import { checked, choice, message, optionalText, setFields, unsupported } from './message.ts'
import { portSelector } from './ports.ts'

/** Envoy's limit on Maglev tables. */
const maxTableSize = 5_000_011

const isPrime = (value: number): boolean => {
  if (value < 2) return false
  for (let factor = 2; factor * factor <= value; factor += 1) if (value % factor === 0) return false
  return true
}

const hashKeys = ['httpHeaderName', 'httpCookie', 'useSourceIp', 'httpQueryParameterName'] as const
const hashAlgorithms = ['ringHash', 'maglev', 'minimumRingSize'] as const
/** Envoy's limit on hash rings. */
const ringSize = z.int().min(0).max(8_388_608).optional()

/** networking.istio.io LoadBalancerSettings.ConsistentHashLB. */
const consistentHash = checked(
  message({
    httpHeaderName: z.string().min(1, 'must not be empty').optional(),
    httpCookie: message({
      name: z.string().min(1, 'must not be empty'),
      path: optionalText(z.string()),
      /** Absent: no cookie is made; 0s: one for the session. */
      ttl: durationOrZero.optional(),
      attributes: unsupported('further attributes of the cookie are not supported'),
    }).optional(),
    useSourceIp: z.literal(true, 'can only be true: leave it out otherwise').optional(),
    httpQueryParameterName: z.string().min(1, 'must not be empty').optional(),
    ringHash: message({ minimumRingSize: ringSize }).optional(),
    maglev: message({
      tableSize: checked(
        z
          .int()
          .min(2)
          .max(maxTableSize - 1),
        ({ value, report }) => {
          if (!isPrime(value)) report('must be a prime number')
        },
      ),
    }).optional(),
    /** The old place of ringHash.minimumRingSize. */
    minimumRingSize: ringSize,
  }),
  ({ value, report }) => {
    if (setFields(value, hashKeys).length !== 1) report(`takes exactly one of ${hashKeys.join(', ')}`)
    if (setFields(value, hashAlgorithms).length > 1) report(`takes only one of ${hashAlgorithms.join(', ')}`)
  },
)

const warmup = 'warm-up of new endpoints is not supported'

/** networking.istio.io LoadBalancerSettings. */
const loadBalancer = checked(
  message({
    simple: choice(['UNSPECIFIED', 'LEAST_REQUEST', 'ROUND_ROBIN', 'RANDOM', 'LEAST_CONN'], {
      PASSTHROUGH: 'destinations are always hosts with known endpoints',
    }).optional(),
    consistentHash: consistentHash.optional(),
    localityLbSetting: localityLbSetting.optional(),
    zoneAwareLbSetting: unsupported(
      'it needs proxies that know the endpoints of their own service: use localityLbSetting',
    ),
    warmup: unsupported(warmup),
    warmupDurationSecs: unsupported(warmup),
  }),
  ({ value, report }) => {
    if (setFields(value, ['simple', 'consistentHash']).length > 1) report('takes only one of simple, consistentHash')
  },
)
export type LoadBalancer = z.output<typeof loadBalancer>

const percent = z.int().min(0).max(100).optional()
const errorCount = z.int().min(0).max(0xffff_ffff).optional()

/** networking.istio.io OutlierDetection. A count of 0 switches that detector off. */
export const outlierDetection = checked(
  message({
    consecutiveGatewayErrors: errorCount,
    consecutive5xxErrors: errorCount,
    splitExternalLocalOriginErrors: z.boolean().optional(),
    consecutiveLocalOriginFailures: errorCount,
    interval: positiveDuration.optional(),
    baseEjectionTime: positiveDuration.optional(),
    maxEjectionPercent: percent,
    minHealthPercent: percent,
    consecutiveErrors: unsupported('is deprecated upstream: use consecutiveGatewayErrors or consecutive5xxErrors'),
    outlierDetectionHttpErrorCodes: unsupported("the status codes that count as errors can't be set"),
  }),
  ({ value, report }) => {
    if ((value.consecutiveLocalOriginFailures ?? 0) > 0 && value.splitExternalLocalOriginErrors !== true) {
      report('needs splitExternalLocalOriginErrors to be true', ['consecutiveLocalOriginFailures'])
    }
  },
)
export type OutlierDetection = z.output<typeof outlierDetection>

/** networking.istio.io ClientTLSSettings. Files are those that the proxy sees. */
const clientTls = checked(
  message({
    mode: choice(['DISABLE', 'SIMPLE', 'MUTUAL', 'ISTIO_MUTUAL']).default('DISABLE'),
    clientCertificate: optionalText(z.string()),
    privateKey: optionalText(z.string()),
    caCertificates: optionalText(z.string()),
    subjectAltNames: z.array(z.string().min(1, 'must not be empty')).optional(),
    sni: optionalText(z.string()),
    credentialName: unsupported('certificates from secrets are not supported: name files'),
    insecureSkipVerify: unsupported('leaving servers unverified is not supported'),
    caCrl: unsupported('revocation lists are not supported'),
  }),
  ({ value, sound, report }) => {
    if (!sound || value.mode !== 'MUTUAL') return
    if (value.clientCertificate === undefined) report('is required by mode MUTUAL', ['clientCertificate'])
    if (value.privateKey === undefined) report('is required by mode MUTUAL', ['privateKey'])
  },
)
export type ClientTls = z.output<typeof clientTls>

const policies = {
  loadBalancer: loadBalancer.optional(),
  connectionPool: connectionPool.optional(),
  outlierDetection: outlierDetection.optional(),
  tls: clientTls.optional(),
}
const policyNames = ['loadBalancer', 'connectionPool', 'outlierDetection', 'tls'] as const

const portPolicy = checked(message({ port: portSelector, ...policies }), ({ value, sound, report }) => {
  if (sound && setFields(value, policyNames).length === 0) report(`needs at least one of ${policyNames.join(', ')}`)
})

/** networking.istio.io TrafficPolicy. */
export const trafficPolicy = checked(
  message({
    ...policies,
    /** Replaces the whole policy for its port: what it leaves out is not inherited. */
    portLevelSettings: checked(z.array(portPolicy).max(4096), ({ value, report }) => {
      for (const index of findRepeated(value.map(({ port }) => port.number)))
        report(`port ${value[index]?.port.number} has settings already`, [index, 'port', 'number'])
    }).optional(),
    tunnel: unsupported('tunnels through a proxy are not supported'),
    proxyProtocol: unsupported('the PROXY protocol is not supported'),
    retryBudget: unsupported('retry budgets are not supported: use connectionPool.http.maxRetries'),
  }),
  ({ value, sound, report }) => {
    if (sound && setFields(value, [...policyNames, 'portLevelSettings']).length === 0) {
      report(`needs at least one of ${policyNames.join(', ')}, portLevelSettings`)
    }
  },
)
export type TrafficPolicy = z.output<typeof trafficPolicy>
