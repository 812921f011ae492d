/** What spans say of the proxy that tells them, beside what it does. */
export interface SpanSender {
  /** What a backend of traces calls it, in Istio's words. */
  readonly service: string
  /** And in OpenTelemetry's. */
  readonly semanticService: string
  /** Gateways tell two spans of a request: of what called them and of what they called. */
  readonly isGateway: boolean
  /** Istio's tags: `istio.namespace` … */
  readonly tags: Readonly<Record<string, string>>
}
