import type { JsonObject } from '@bufbuild/protobuf'

/** What access rules look at of a call, where it comes to the proxy that judges it. Undefined = it is not known. */
export interface JudgedCall {
  /** Whom it has verified by a certificate; `nobody`: the caller shows none. */
  readonly peer: JudgedPeer | 'nobody' | undefined
  /** Where its connection comes from, and where the request does as proxies before this one tell. */
  readonly connectedFrom: string | undefined
  readonly clientAddress: string | undefined
  readonly address: string | undefined
  readonly port: number | undefined
  /** The SNI; "" = none. */
  readonly serverName: string | undefined
  /** Absent: it is a connection, and nothing more. */
  readonly request?: JudgedRequest
  /** Whether a rule matches of which that can't be said by all this. */
  readonly learned?: ((rule: string) => boolean | undefined) | undefined
}

/** The names in a workload's certificate. */
export interface JudgedPeer {
  readonly spiffeId: string
  /** It says which cluster speaks for the workload. */
  readonly dnsName: string | undefined
}

export interface JudgedRequest {
  readonly method: string | undefined
  readonly authority: string | undefined
  /** After normalisation; with its query. */
  readonly path: string | undefined
  /** By lower-case name; undefined = it may be there. */
  readonly headers: Readonly<Record<string, string | undefined>>
  /** Whether those that are not among `headers` are known not to be there. */
  readonly hasAllHeaders: boolean
  /** Of the token that has been verified; {} = there is none. */
  readonly claims: JsonObject | undefined
}

const ofClients: readonly string[] = ['accept', 'accept-encoding', 'accept-language', 'content-length', 'content-type']
/** Headers that clients and proxies set by themselves: that nobody has named them does not say that they are not there. */
const setByOthers =
  /^(?:x-request-id|x-forwarded-(?:proto|port|host|client-cert)|x-envoy-.*|x-b3-.*|b3|trace(?:parent|state)|user-agent)$/

export type HeaderValue = { readonly known: true; readonly value: string | undefined } | { readonly known: false }

export const readHeader = (
  { method, authority, path, headers, hasAllHeaders }: JudgedRequest,
  name: string,
): HeaderValue => {
  const toValue = (value: string | undefined): HeaderValue =>
    value === undefined ? { known: false } : { known: true, value }
  switch (name) {
    case ':method':
      return toValue(method)
    case ':authority':
    case 'host':
      return toValue(authority)
    case ':path':
      return toValue(path)
    default:
      if (Object.hasOwn(headers, name)) return toValue(headers[name])
      if (!hasAllHeaders || name.startsWith(':') || setByOthers.test(name) || ofClients.includes(name))
        return { known: false }
      return { known: true, value: undefined }
  }
}
