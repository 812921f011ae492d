import { z } from 'zod'
import { checkWeights, destination, weight } from './destination.ts'
import { gatewayNames } from './gateway-names.ts'
import { ipAddressOrCidr } from './host-names.ts'
import { labels } from './labels.ts'
import { checked, message, optionalText } from './message.ts'
import { optionalPortNumber } from './ports.ts'

/** What the matches of TCP and of TLS routes have in common. */
export const l4MatchFields = {
  /** Of the service that the client asks for. */
  port: optionalPortNumber,
  gateways: gatewayNames,
  /** Where the client's connection was made to. */
  destinationSubnets: z.array(ipAddressOrCidr).optional(),
  sourceNamespace: optionalText(z.string()),
  sourceLabels: labels.optional(),
}

/** networking.istio.io RouteDestination. */
export const l4Destinations = checked(
  z.array(message({ destination, weight })).min(1, 'needs a destination'),
  ({ value, report }) => checkWeights(value, report),
)
export type L4Destinations = z.output<typeof l4Destinations>
