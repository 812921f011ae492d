import { z } from 'zod'
import { durationOrZero, positiveDuration } from './duration.ts'
import { checked, choice, message, setFields } from './message.ts'

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
      useClientProtocol: z.boolean().optional(),
      /** On one connection of HTTP/2. */
      maxConcurrentStreams: limit,
      /** Pings over HTTP/2. */
      http2KeepAlive: message({ interval: positiveDuration, timeout: positiveDuration }).optional(),
    }).optional(),
  }),
  ({ value, sound, report }) => {
    if (sound && setFields(value, ['tcp', 'http']).length === 0) report('needs tcp or http')
    if (value.http?.useClientProtocol && value.http.h2UpgradePolicy === 'UPGRADE')
      report('can not be true where h2UpgradePolicy is UPGRADE', ['http', 'useClientProtocol'])
  },
)
export type ConnectionPool = z.output<typeof connectionPool>
