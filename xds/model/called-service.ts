/** What telemetry says is called. */
export interface CalledService {
  /** A ServiceKey, or the upstream's name where it is for no service. */
  readonly service: string
  /** The service's, not the workload's. */
  readonly port?: number
  readonly subset?: string
}
