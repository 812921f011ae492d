import { z } from 'zod'
import { l4Destinations, l4MatchFields } from './l4-route.ts'
import { isSubsetOfHost, sniFault } from './host-names.ts'
import { message } from './message.ts'

/** networking.istio.io TLSMatchAttributes. */
const tlsMatch = message({
  /** What the client's TLS asks for: names, or wildcards, that the VirtualService's hosts cover. */
  sniHosts: z.array(z.string()).min(1, 'needs a host'),
  ...l4MatchFields,
})

/** networking.istio.io TLSRoute. */
export const tlsRoute = message({
  match: z.array(tlsMatch).min(1, 'needs a match'),
  route: l4Destinations,
})
export type TlsRoute = z.output<typeof tlsRoute>

/** What is wrong with a host that TLS is routed by, in a VirtualService of these hosts. */
export const sniHostFault = (sniHost: string, hosts: readonly string[]): string | undefined =>
  sniFault(sniHost) ??
  (hosts.some((host) => isSubsetOfHost(sniHost, host))
    ? undefined
    : `is not within the hosts of the VirtualService: ${hosts.join(', ')}`)
