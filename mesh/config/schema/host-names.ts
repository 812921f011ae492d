import { z } from 'zod'
import { checked } from './message.ts'

/** RFC 1123 label as Istio reads it: upper case is allowed. */
const label = /^[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?$/
const wildcardLabel = /^(?:\*|(?:\*|\*-)?[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?)$/
const maxLabel = 63
const maxDomain = 255

export const isDnsLabel = (text: string): boolean => text.length <= maxLabel && label.test(text)

/** What is wrong with the labels of a domain name, which may end in a dot. */
const domainFault = (domain: string): string | undefined => {
  const labels = domain.split('.')
  const last = labels.at(-1)
  if (last !== undefined && /^\d+$/.test(last)) return `the top level domain "${last}" can't be all digits`
  const relevant = last === '' && labels.length > 1 ? labels.slice(0, -1) : labels
  const bad = relevant.find((each) => !isDnsLabel(each))
  return bad === undefined ? undefined : `"${bad}" is not a DNS label`
}

const ipAddress = z.union([z.ipv4(), z.ipv6()])
const cidrBlock = z.union([z.cidrv4(), z.cidrv6()])

export const isIpAddress = (text: string): boolean => ipAddress.safeParse(text).success

const lengthFault = (domain: string): string | undefined => {
  if (domain === '') return 'must not be empty'
  return domain.length > maxDomain ? `is longer than ${maxDomain} characters` : undefined
}

/** Why the text is not a domain name without wildcards, or undefined when it is one. */
export const fqdnFault = (domain: string): string | undefined => lengthFault(domain) ?? domainFault(domain)

/** As `fqdnFault`, with a wildcard allowed in the first label: "*", "*.example.org", and Istio's partial "*example.org". */
export const wildcardDomainFault = (domain: string): string | undefined => {
  const fault = lengthFault(domain)
  if (fault !== undefined) return fault
  const dot = domain.indexOf('.')
  const first = dot === -1 ? domain : domain.slice(0, dot)
  if (first.length > maxLabel || !wildcardLabel.test(first)) return `"${first}" is not a DNS label`
  return dot === -1 ? undefined : domainFault(domain.slice(dot + 1))
}

export const isWildcard = (host: string): boolean => host.startsWith('*')

/** "*example.org": Istio takes it, DNS and most readers don't. */
export const isPartialWildcard = (host: string): boolean => isWildcard(host) && host !== '*' && !host.startsWith('*.')

/** Whether some name is meant by both, either of which may be a wildcard (Istio host.Name.Matches). */
export const hostsOverlap = (left: string, right: string): boolean => {
  if (!isWildcard(left) && !isWildcard(right)) return left === right
  if (!isWildcard(left)) return left.endsWith(right.slice(1))
  if (!isWildcard(right)) return right.endsWith(left.slice(1))
  return left.endsWith(right.slice(1)) || right.endsWith(left.slice(1))
}

/** Whether every name that the one means is meant by the other, either of which may be a wildcard (Istio host.Name.SubsetOf). */
export const isSubsetOfHost = (host: string, other: string): boolean => {
  if (!isWildcard(other)) return host === other
  return host.endsWith(other.slice(1)) && !(isWildcard(host) && host.length < other.length)
}

/** What is wrong with a host that may be a name, a wildcard or an IP address. */
export const hostFault = (host: string): string | undefined => {
  if (isIpAddress(host)) return undefined
  const fault = wildcardDomainFault(host)
  return fault === undefined ? undefined : `is not a host name: ${fault}`
}

/** What mesh mTLS asks for between networks; none of its first three labels is one of DNS. */
const meshSni = /^outbound_\.\d+_\.[-a-zA-Z0-9]*_\./

/** As `hostFault`, with the names allowed that mesh mTLS asks for ("outbound_.<port>_.<subset>_.<host>"). */
export const sniFault = (host: string): string | undefined => hostFault(host.replace(meshSni, ''))

/** A name or a wildcard. */
export const hostPattern = checked(z.string(), ({ value, report }) => {
  const fault = wildcardDomainFault(value)
  if (fault !== undefined) report(`is not a host name: ${fault}`)
})

export const ipAddressFault = (text: string): string | undefined =>
  isIpAddress(text) ? undefined : 'must be an IP address'

export const ipAddressOrCidr = checked(z.string(), ({ value, report }) => {
  if (!isIpAddress(value) && !cidrBlock.safeParse(value).success)
    report('must be an IP address or a CIDR block such as 10.1.0.0/16')
})

const unixPrefix = 'unix://'
export const isUnixAddress = (address: string): boolean => address.startsWith(unixPrefix)

/** What is wrong with a "unix:///path" or, for Linux's abstract sockets, "unix://@name". */
export const unixAddressFault = (address: string): string | undefined => {
  const path = address.slice(unixPrefix.length)
  if (path.startsWith('@')) return undefined
  return path.startsWith('/') && !path.endsWith('/')
    ? undefined
    : 'a Unix domain socket reads unix:///absolute/path or unix://@name'
}
