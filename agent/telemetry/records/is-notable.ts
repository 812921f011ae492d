import type { KnownFields } from '#mesh/telemetry/to-access-log-record.ts'

/** Longer than this is slow. */
const slowUs = 1_000_000

/** Whether a record tells of something that went wrong, or took long: it is kept before others. A connection of TCP may take as long as it likes. */
export const isNotable = (fields: KnownFields): boolean => {
  const { response_code: code, grpc_response_status: grpc, response_flags: flags, duration_us: duration } = fields
  const { transport_failure: failure, policy_verdict: verdict, policy_trial: trial } = fields
  if (flags !== '' || failure !== undefined || verdict !== undefined || trial !== undefined) return true
  if (fields.request_protocol === 'tcp') return false
  return Number(code ?? 0) >= 400 || code === 0 || Number(grpc ?? 0) !== 0 || Number(duration ?? 0) >= slowUs
}
