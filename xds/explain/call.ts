import type { JsonObject } from '@bufbuild/protobuf'

/** What a client asks for. */
export interface Call {
  /** As the client writes it: a short name, a host name or an IP address. */
  readonly host: string
  /** Undefined = the one that goes without saying. */
  readonly port: number | undefined
  /** Undefined = what the port is said to speak. */
  readonly scheme: 'http' | 'https' | 'tls' | 'tcp' | undefined
  readonly method: string
  /** With its query. */
  readonly path: string
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>
  /** Of a right token that it brings; {} = it brings none. Absent: as its headers and its path have it, of which none can be read. */
  readonly claims?: JsonObject | undefined
  /** Where its connection comes from; absent = not known. */
  readonly sourceAddress?: string | undefined
}

/** A call of which all is known that proxies look at. */
export interface SettledCall extends Omit<Call, 'port' | 'scheme'> {
  readonly port: number
  readonly scheme: NonNullable<Call['scheme']>
  /** The address that the connection is made to; undefined = it is not known. */
  readonly address: string | undefined
}

/** Whether a proxy that takes the connection can read what is asked. */
export const isPlainHttp = ({ scheme }: SettledCall): boolean => scheme === 'http'

/** Whether the bytes are TLS already when they come to the proxy. */
export const isTls = ({ scheme }: SettledCall): boolean => scheme === 'https' || scheme === 'tls'

/** What HTTP clients say as Host: the port goes without saying where it is the scheme's. */
export const toAuthority = ({ host, port, scheme, headers }: SettledCall): string => {
  const goesWithoutSaying = port === (scheme === 'https' ? 443 : 80)
  return (headers['host'] ?? (goesWithoutSaying ? host : `${host}:${port}`)).toLowerCase()
}
