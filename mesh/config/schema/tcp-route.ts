import { z } from 'zod'
import { l4Destinations, l4MatchFields } from './l4-route.ts'
import { message, unsupported } from './message.ts'

/** networking.istio.io L4MatchAttributes. */
const tcpMatch = message({
  ...l4MatchFields,
  sourceSubnet: unsupported("routes by the caller's address are not supported: Istio takes the field and ignores it"),
})

/** networking.istio.io TCPRoute. */
export const tcpRoute = message({ match: z.array(tcpMatch).optional(), route: l4Destinations })
export type TcpRoute = z.output<typeof tcpRoute>
