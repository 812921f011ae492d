import { clusterName, type TrustDomain } from '#mesh/names.ts'
import { parseSpiffeId, toWorkloadDnsName } from '#mesh/identity.ts'
import type { JudgedCall } from './judged-call.ts'
import { normalisePath } from './normalise-path.ts'

/** As long as texts of requests are in records: one that is so long may have been longer. */
const cut = 256

/** Istio's and Atoll's usual form of paths. */
const usualPaths = { normalises: true, mergesSlashes: false, decodesSlashes: false }

/** What of a record of access tells of a call. */
export type RecordedCall = {
  readonly [
    Name in
      | 'source_address'
      | 'source_principal'
      | 'source_cluster'
      | 'connection_security_policy'
      | 'upstream_host'
      | 'request_protocol'
      | 'forwarded_for'
      | 'server_name'
      | 'method'
      | 'authority'
      | 'path'
      | 'user_agent'
      | 'policy_verdict'
  ]?: string | undefined
}

/** A call as the record of the called proxy tells it: of headers and tokens it has next to nothing, and they are not known. */
export const readRecord = (record: RecordedCall, trustDomain: TrustDomain, verifiesTokens: boolean): JudgedCall => {
  const { source_address: source, upstream_host: upstream, request_protocol: protocol } = record
  const connectedFrom = toHost(source)
  const forwardedFor = record.forwarded_for
  const { path } = record
  return {
    peer: toPeer(record, trustDomain),
    connectedFrom,
    clientAddress:
      protocol === 'tcp' || forwardedFor === undefined ? connectedFrom : forwardedFor.split(',').at(-1)?.trim(),
    address: undefined,
    port: toPort(upstream),
    serverName: record.server_name,
    ...(protocol !== 'tcp' && {
      request: {
        method: record.method,
        authority: record.authority === undefined || record.authority.length >= cut ? undefined : record.authority,
        path: path === undefined || path.length >= cut ? undefined : normalisePath(path, usualPaths),
        headers: {
          ...(record.user_agent !== undefined && { 'user-agent': record.user_agent }),
          ...(forwardedFor !== undefined && { 'x-forwarded-for': forwardedFor }),
        },
        hasAllHeaders: false,
        // Where nobody verifies tokens no claim counts.
        claims: verifiesTokens ? undefined : {},
      },
    }),
  }
}

const toPeer = (
  { source_principal: spiffeId, source_cluster: cluster, connection_security_policy: security }: RecordedCall,
  trustDomain: TrustDomain,
): JudgedCall['peer'] => {
  if (spiffeId === undefined) return security === 'none' ? 'nobody' : undefined
  const identity = parseSpiffeId(spiffeId)
  const named = clusterName.safeParse(cluster).data
  return { spiffeId, dnsName: identity && named && toWorkloadDnsName(identity, named, trustDomain) }
}

const toHost = (place: string | undefined): string | undefined => place?.replace(/:\d+$/, '').replace(/^\[|\]$/g, '')

/** The application is at the port that was called. */
const toPort = (place: string | undefined): number | undefined => {
  const [, port] = /:(\d+)$/.exec(place ?? '') ?? []
  return port === undefined ? undefined : Number(port)
}
