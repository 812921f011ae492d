import { verdictEnd } from '#mesh/telemetry/party.ts'
import { peerMarkOperator } from './metadata.ts'

/** On which side of a call a proxy is; `front` is the called one where certificates of people's own say who calls, which is not the mesh's word. */
export type Reporter = 'source' | 'destination' | 'front'

/** As telemetry tells it. */
export const toSide = (reporter: Reporter): 'source' | 'destination' =>
  reporter === 'source' ? 'source' : 'destination'

/** Envoy's operators for the certificate of the other side: "-" is nothing. */
export const peerOperators = {
  source: {
    peerSubject: '%UPSTREAM_PEER_SUBJECT%',
    peerUriNames: `${peerMarkOperator}${verdictEnd}%UPSTREAM_PEER_URI_SAN%`,
    peerDnsNames: '%UPSTREAM_PEER_DNS_SAN%',
  },
  destination: {
    peerSubject: '%DOWNSTREAM_PEER_SUBJECT%',
    peerUriNames: '%DOWNSTREAM_PEER_URI_SAN%',
    peerDnsNames: '%DOWNSTREAM_PEER_DNS_SAN%',
  },
  front: { peerSubject: '-', peerUriNames: '-', peerDnsNames: '-' },
} as const satisfies Readonly<Record<Reporter, unknown>>
