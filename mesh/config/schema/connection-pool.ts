import { z } from 'zod'
import { durationOrZero, positiveDuration } from './duration.ts'
import { checked, choice, message, setFields, unsupported } from './message.ts'

/** 0 is unset: Envoy's default applies. */
const limit = z.int().min(0).max(0x7fff_ffff).optional()

/** networking.istio.io ConnectionPoolSettings.TCPSettings.TcpKeepalive. */
export const tcpKeepalive = message({
  probes: z.int().min(0).max(0xffff_ffff).optional(),
  time: positiveDuration.optional(),
  interval: positiveDuration.optional(),
})

/** networking.istio.io ConnectionPoolSettings. */
export const connectionPool = checked(
  message({
    tcp: message({
      maxConnections: limit,
      connectTimeout: positiveDuration.optional(),
      tcpKeepalive: tcpKeepalive.optional(),
      maxConnectionDuration: positiveDuration.optional(),
      /** 0s switches it off. */
      idleTimeout: durationOrZero.optional(),
    }).optional(),
    http: message({
      http1MaxPendingRequests: limit,
      http2MaxRequests: limit,
      maxRequestsPerConnection: limit,
      maxRetries: limit,
      idleTimeout: positiveDuration.optional(),
      h2UpgradePolicy: choice(['DEFAULT', 'DO_NOT_UPGRADE', 'UPGRADE']).optional(),
      useClientProtocol: unsupported("the protocol towards the server follows the port's, not the client's"),
      maxConcurrentStreams: unsupported('a limit on streams per connection is not supported'),
      http2KeepAlive: unsupported('HTTP/2 keep-alive is not supported: use tcpKeepalive'),
    }).optional(),
  }),
  ({ value, sound, report }) => {
    if (sound && setFields(value, ['tcp', 'http']).length === 0) report('needs tcp or http')
  },
)
export type ConnectionPool = z.output<typeof connectionPool>
