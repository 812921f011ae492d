import { getCACertificates } from 'node:tls'
import type { Clock } from '#agent/clock.ts'
import type { Fetching } from './fetch-bytes.ts'
import { lookUp } from './look-up.ts'
import { allowedPlace, PlaceGuard, type AllowedPlace } from './place-guard.ts'

export interface FetchingOptions {
  /** Private places that may be asked, unless the agent's configuration says nothing: then the cluster's own services, by their names and nobody else's. */
  readonly allow: readonly AllowedPlace[] | undefined
  readonly domainSuffix: string
  /** PEM: whom servers are verified against, beside the public authorities. */
  readonly ca: string | undefined
  readonly clock: Clock
}

/** How what objects name is fetched from outside of the agent. */
export const toFetching = ({ allow, domainSuffix, ca, clock }: FetchingOptions): Fetching => ({
  guard: new PlaceGuard(allow ?? [allowedPlace.parse(`*.svc.${domainSuffix}`)]),
  clock,
  resolve: lookUp,
  ca: ca === undefined ? undefined : [...getCACertificates('default'), ca],
})
