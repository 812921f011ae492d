import { status } from '@grpc/grpc-js'

const codes = {
  unauthenticated: status.UNAUTHENTICATED,
  resource_exhausted: status.RESOURCE_EXHAUSTED,
  invalid_argument: status.INVALID_ARGUMENT,
  aborted: status.ABORTED,
  unavailable: status.UNAVAILABLE,
  internal: status.INTERNAL,
} as const

/** Ends a stream with a gRPC status; grpc-js reads `code` and `details`. The message goes to the client. */
export class StreamError extends Error {
  override readonly name = 'StreamError'
  readonly code: status
  readonly details: string

  constructor(code: keyof typeof codes, details: string) {
    super(details)
    this.code = codes[code]
    this.details = details
  }
}
