import { z } from 'zod'
import { l4Destinations, l4MatchFields } from './l4-route.ts'
import { message, unheededField } from './message.ts'

/** networking.istio.io L4MatchAttributes. */
const tcpMatch = message({
  ...l4MatchFields,
  sourceSubnet: unheededField(),
})

/** networking.istio.io TCPRoute. */
export const tcpRoute = message({ match: z.array(tcpMatch).optional(), route: l4Destinations })
export type TcpRoute = z.output<typeof tcpRoute>
