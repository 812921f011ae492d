import { z } from 'zod'
import { positiveDuration } from './duration.ts'
import { checked, choice, message, setFields, unsupported } from './message.ts'
import { faultPercentage } from './percentage.ts'

/** gRPC's status codes: the name at place n has the number n. */
export const grpcStatuses = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
] as const

/** A status that Envoy can answer with. Istio lets 600 through, which Envoy refuses. */
export const httpStatus = checked(z.int().min(200).max(600), ({ value, report }) => {
  if (value === 600) report('Envoy answers with 200 to 599 only', [], { problem: 'unsupported' })
})

/** networking.istio.io HTTPFaultInjection. */
export const httpFault = checked(
  message({
    delay: message({
      fixedDelay: positiveDuration.optional(),
      exponentialDelay: unsupported('is not supported upstream either: use fixedDelay'),
      /** Absent: no request is delayed. */
      percentage: faultPercentage.optional(),
      /** The old form of percentage, which goes before it. */
      percent: checked(z.int(), ({ value, report }) => {
        if (value < 0 || value > 100) report('must be from 0 to 100', [], { problem: 'unsupported' })
      }).optional(),
    }).optional(),
    abort: checked(
      message(
        {
          httpStatus: httpStatus.optional(),
          grpcStatus: choice(grpcStatuses).optional(),
          http2Error: unsupported('is not supported upstream either: use httpStatus'),
          /** Absent: no request is aborted. */
          percentage: faultPercentage.optional(),
        },
        { meant: { percent: 'percentage: {value: …}' } },
      ),
      ({ value, report }) => {
        if (setFields(value, ['httpStatus', 'grpcStatus']).length > 1)
          report('takes only one of httpStatus, grpcStatus')
      },
    ).optional(),
  }),
  ({ value, sound, report }) => {
    if (sound && setFields(value, ['delay', 'abort']).length === 0) report('needs a delay or an abort')
  },
)
export type HttpFault = z.output<typeof httpFault>
