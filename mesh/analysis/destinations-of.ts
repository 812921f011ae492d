import type { Destination } from '../config/schema/destination.ts'
import type { VirtualServiceSpec } from '../config/virtual-service.ts'

/** Where a VirtualService names a destination. */
export interface DestinationReference {
  readonly destination: Destination
  readonly path: readonly PropertyKey[]
}

/** All destinations of a VirtualService: of its routes and its mirrors. */
export const destinationsOf = (spec: VirtualServiceSpec): readonly DestinationReference[] => [
  ...(['http', 'tcp', 'tls'] as const).flatMap((protocol) =>
    (spec[protocol] ?? []).flatMap((rule, index) =>
      (rule.route ?? []).map(({ destination }, place) => ({
        destination,
        path: ['spec', protocol, index, 'route', place, 'destination'],
      })),
    ),
  ),
  ...(spec.http ?? []).flatMap(({ mirror, mirrors = [] }, index) => [
    ...(mirror ? [{ destination: mirror, path: ['spec', 'http', index, 'mirror'] }] : []),
    ...mirrors.map(({ destination }, place) => ({
      destination,
      path: ['spec', 'http', index, 'mirrors', place, 'destination'],
    })),
  ]),
]
