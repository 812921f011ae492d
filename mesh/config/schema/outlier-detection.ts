import { z } from 'zod'
import { positiveDuration } from './duration.ts'
import { checked, fieldNotes, message } from './message.ts'

const percent = z.int().min(0).max(100).optional()
const errorCount = z.int().min(0).max(0xffff_ffff).optional()

/** networking.istio.io OutlierDetection. A count of 0 switches the detectors of 5xx and gateway errors off. */
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
    /** Istio has given it up: the check of its kind warns of it. */
    consecutiveErrors: z
      .int()
      .optional()
      .register(fieldNotes, { withoutEffect: 'as in Istio, consecutiveGatewayErrors and consecutive5xxErrors count' }),
    /** What counts as an error, instead of 5xx. */
    outlierDetectionHttpErrorCodes: z.array(z.int().min(100).max(599)).optional(),
  }),
  ({ value, report }) => {
    if ((value.consecutiveLocalOriginFailures ?? 0) > 0 && value.splitExternalLocalOriginErrors !== true) {
      report('needs splitExternalLocalOriginErrors to be true', ['consecutiveLocalOriginFailures'])
    }
  },
)
export type OutlierDetection = z.output<typeof outlierDetection>
