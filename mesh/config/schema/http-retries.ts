import { z } from 'zod'
import { closestName } from './closest-name.ts'
import { positiveDuration } from './duration.ts'
import { checked, message, optionalText, setFields } from './message.ts'

/** What Envoy's x-envoy-retry-on and x-envoy-retry-grpc-on take; a status code stands for itself. */
const retryConditions: readonly string[] = [
  '5xx',
  'gateway-error',
  'reset',
  'reset-before-request',
  'connect-failure',
  'retriable-4xx',
  'refused-stream',
  'retriable-status-codes',
  'retriable-headers',
  'envoy-ratelimited',
  'http3-post-connect-failure',
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
]

/** The status codes that IANA has registered, as Istio knows them. */
const isStatusCode = (text: string): boolean =>
  /^(?:10[0-3]|20[0-8]|226|30[0-578]|40\d|41[0-8]|42[1-689]|431|451|50[0-8]|51[01])$/.test(text)

const maxSuggestions = 10

/** networking.istio.io HTTPRetry. */
export const httpRetries = checked(
  message({
    /** 0 switches retries off. */
    attempts: z.int().min(0).max(0x7fff_ffff).optional(),
    perTryTimeout: positiveDuration.optional(),
    retryOn: optionalText(
      checked(z.string(), ({ value, report }) => {
        const unknown = value
          .split(',')
          .filter((condition) => !retryConditions.includes(condition) && !isStatusCode(condition))
        for (const [index, condition] of unknown.entries()) {
          // Looking for the name that was meant is costly, and a text may be endless.
          const meant = index < maxSuggestions ? closestName(condition, retryConditions) : undefined
          const suggestion = meant === undefined ? '' : `: did you mean "${meant}"?`
          report(`"${condition}" is neither a status code nor one of ${retryConditions.join(', ')}${suggestion}`)
        }
      }),
    ),
    /** The least time before the first retry; it grows with each, up to ten times as much. */
    backoff: positiveDuration.optional(),
    /** Absent = true, but where a consistent hash chooses the host. */
    retryIgnorePreviousHosts: z.boolean().optional(),
    retryRemoteLocalities: z.boolean().optional(),
  }),
  ({ value, report }) => {
    const conditions = setFields(value, ['perTryTimeout', 'retryOn', 'retryRemoteLocalities'])
    if ((value.attempts ?? 0) === 0 && conditions.length > 0) {
      report('has conditions but no attempts: set attempts, or leave the rest out')
    }
  },
)
export type HttpRetries = z.output<typeof httpRetries>
