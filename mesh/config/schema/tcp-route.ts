import { z } from 'zod'
import { checkWeights, destination, weight } from './destination.ts'
import { gatewayNames } from './gateway-names.ts'
import { checked, message, unsupported } from './message.ts'
import { optionalPortNumber } from './ports.ts'

/** networking.istio.io L4MatchAttributes. */
const tcpMatch = message({
  port: optionalPortNumber,
  gateways: gatewayNames,
  destinationSubnets: unsupported('TCP routes by destination address are not supported'),
  sourceLabels: unsupported("TCP routes by the caller's labels are not supported"),
  sourceNamespace: unsupported("TCP routes by the caller's namespace are not supported"),
  sourceSubnet: unsupported("TCP routes by the caller's address are not supported"),
})

const tcpRouteDestination = message({ destination, weight })

/** networking.istio.io TCPRoute. */
export const tcpRoute = message({
  match: z.array(tcpMatch).optional(),
  route: checked(z.array(tcpRouteDestination).min(1, 'needs a destination'), ({ value, report }) =>
    checkWeights(value, report),
  ),
})
export type TcpRoute = z.output<typeof tcpRoute>
