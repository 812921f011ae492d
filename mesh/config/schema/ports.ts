import { z } from 'zod'
import { isDnsLabel } from './host-names.ts'
import { checked, fieldNotes, message } from './message.ts'

export const portNumber = z.int().min(1).max(65_535)

/** A port number where 0 is unset (a protobuf uint32). */
export const optionalPortNumber = z
  .preprocess((value) => (value === 0 ? undefined : value), portNumber.optional())
  .optional()

export const portName = checked(z.string(), ({ value, report }) => {
  if (!isDnsLabel(value)) report('must be a DNS label: at most 63 letters, digits and "-"')
})

/** networking.istio.io PortSelector. */
export const portSelector = message({ number: portNumber }, { example: '{number: 9080}', meant: { name: 'number' } })

const knownProtocols = [
  'tcp',
  'udp',
  'grpc',
  'grpc-web',
  'http',
  'http_proxy',
  'http2',
  'https',
  'tls',
  'mongo',
  'redis',
  'mysql',
]

/** A protocol's name in any case, as in Istio's "Protocol Selection"; absent = sniffed. */
export const protocolName = checked(z.string(), ({ value, report }) => {
  if (!knownProtocols.includes(value.toLowerCase())) {
    report(`is not a protocol: use one of ${knownProtocols.join(', ')}`, [], { known: knownProtocols })
  } else if (value.toLowerCase() === 'udp') {
    report('UDP is not proxied', [], { problem: 'unsupported' })
  }
}).register(fieldNotes, { limit: 'all but UDP' })

const httpOrTls: readonly string[] = ['http', 'http_proxy', 'http2', 'grpc', 'grpc-web', 'https', 'tls']

/** Neither HTTP nor TLS: bytes that don't tell which host they are for. Sniffed ports may be. */
export const isStreamProtocol = (name: string | undefined): boolean => !httpOrTls.includes(name?.toLowerCase() ?? '')
