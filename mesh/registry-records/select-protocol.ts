import type { Protocol } from '../service.ts'

/** Istio's names of protocols (case does not count) that Atoll tells apart; the others of Istio's are plain TCP to it. */
const protocolNames: ReadonlyMap<string, Protocol> = new Map([
  ['http', 'http'],
  ['http_proxy', 'http'],
  ['http2', 'http2'],
  ['grpc', 'grpc'],
  ['grpc-web', 'grpc-web'],
  ['https', 'https'],
  ['tls', 'tls'],
  ['tcp', 'tcp'],
  ['mongo', 'tcp'],
  ['redis', 'tcp'],
  ['mysql', 'tcp'],
])

/** Kubernetes' own values of `appProtocol` (KEP-3726), which can't be port names. */
const standardAppProtocols: ReadonlyMap<string, Protocol> = new Map([
  ['kubernetes.io/h2c', 'http2'],
  ['kubernetes.io/ws', 'http'],
  ['kubernetes.io/wss', 'https'],
])

/** SMTP, DNS, MySQL, MongoDB: there the server speaks first or sniffing breaks the client, so they are never sniffed. */
const portsWithoutSniffing: ReadonlySet<number> = new Set([25, 53, 3306, 27017])

/**
 * The protocol of a port, by Istio's "Protocol Selection": `explicit` (a Service port's `appProtocol`, a ServiceEntry port's `protocol`),
 * else the port's name, which may go on after a "-". What says nothing is sniffed.
 */
export const selectProtocol = (port: {
  readonly explicit?: string | undefined
  readonly name: string
  readonly number: number
}): Protocol => {
  const standard = standardAppProtocols.get(port.explicit ?? '')
  if (standard) return standard
  const text = (port.explicit || port.name).toLowerCase()
  if (text.startsWith('grpc-web')) return 'grpc-web'
  const [prefix = ''] = text.split('-')
  return protocolNames.get(prefix) ?? (portsWithoutSniffing.has(port.number) ? 'tcp' : 'auto')
}
