import { z } from 'zod'
import { durationOrZero, positiveDuration } from './duration.ts'
import { findRepeated } from './find-repeated.ts'
import { localityLbSetting } from './locality.ts'
import { checked, choice, message, optionalText, setFields, unsupported } from './message.ts'

/** Envoy's limit on Maglev tables. */
const maxTableSize = 5_000_011

/** As Envoy sees it: 1 is one. */
const isPrime = (value: number): boolean => {
  for (let factor = 2; factor * factor <= value; factor += 1) if (value % factor === 0) return false
  return true
}

const hashKeys = ['httpHeaderName', 'httpCookie', 'useSourceIp', 'httpQueryParameterName'] as const
/** Envoy's limit on hash rings. */
const ringSize = z.int().min(0).max(8_388_608).optional()

const cookieAttributes = checked(
  z.array(message({ name: z.string().min(1, 'must not be empty'), value: optionalText(z.string()) })),
  ({ value, report }) => {
    for (const index of findRepeated(value.map(({ name }) => name)))
      report(`there is an attribute "${value[index]?.name}" already`, [index, 'name'])
  },
)

/** networking.istio.io LoadBalancerSettings.ConsistentHashLB. Without a key an endpoint is chosen at random. */
const consistentHash = checked(
  message({
    httpHeaderName: z.string().min(1, 'must not be empty').optional(),
    httpCookie: message({
      name: z.string().min(1, 'must not be empty'),
      path: optionalText(z.string()),
      /** Absent: no cookie is made; 0s: one for the session. */
      ttl: durationOrZero.optional(),
      /** Of a cookie that is made. */
      attributes: cookieAttributes.optional(),
    }).optional(),
    useSourceIp: z.boolean().optional(),
    httpQueryParameterName: z.string().min(1, 'must not be empty').optional(),
    ringHash: message({ minimumRingSize: ringSize }).optional(),
    maglev: message({
      tableSize: checked(
        z
          .int()
          .min(1)
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
    if (setFields(value, hashKeys).length > 1) report(`takes only one of ${hashKeys.join(', ')}`)
    const algorithms = setFields(value, ['ringHash', 'maglev'])
    if (algorithms.length > 1) report('takes only one of ringHash, maglev')
    if (algorithms.length > 0 && value.minimumRingSize) report('takes only one of ringHash, maglev, minimumRingSize')
  },
)

/** networking.istio.io WarmupConfiguration. */
const warmup = message({
  duration: positiveDuration,
  minimumPercent: z.number().min(0).max(100).optional(),
  aggression: z.number().positive().optional(),
})

/** networking.istio.io LoadBalancerSettings. */
export const loadBalancer = checked(
  message({
    simple: choice(['UNSPECIFIED', 'LEAST_REQUEST', 'ROUND_ROBIN', 'RANDOM', 'PASSTHROUGH', 'LEAST_CONN']).optional(),
    consistentHash: consistentHash.optional(),
    localityLbSetting: localityLbSetting.optional(),
    zoneAwareLbSetting: unsupported(
      'it needs proxies that know the endpoints of their own service: use localityLbSetting',
    ),
    warmup: warmup.optional(),
    /** The old form of warmup.duration. */
    warmupDurationSecs: positiveDuration.optional(),
  }),
  ({ value, report }) => {
    if (setFields(value, ['simple', 'consistentHash']).length > 1) report('takes only one of simple, consistentHash')
    if (setFields(value, ['warmup', 'warmupDurationSecs']).length > 1)
      report('takes only one of warmup, warmupDurationSecs')
  },
)
export type LoadBalancer = z.output<typeof loadBalancer>
