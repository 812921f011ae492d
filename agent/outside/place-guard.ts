import { BlockList, isIP } from 'node:net'
import { z } from 'zod'

/** "name", "*.suffix", an IP address, or a range of them as "10.0.0.0/8". */
export const allowedPlace = z.string().transform((text, context) => {
  const [address = '', length, ...rest] = text.split('/')
  const family = isIP(address)
  const bits = length === undefined ? (family === 6 ? 128 : 32) : Number(length)
  if (family !== 0 && rest.length === 0 && length !== '' && Number.isInteger(bits) && bits >= 0)
    if (bits <= (family === 6 ? 128 : 32)) return { kind: 'range' as const, address, bits, family: toFamily(family) }
  if (/^(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i.test(text) && !/^[\d.]+$/.test(text))
    return { kind: 'name' as const, name: text.toLowerCase() }
  context.addIssue({
    code: 'custom',
    message: 'must be a name, "*.<suffix>", an IP address or a range such as 10.0.0.0/8',
  })
  return z.NEVER
})
export type AllowedPlace = z.output<typeof allowedPlace>

const toFamily = (family: number): 'ipv4' | 'ipv6' => (family === 6 ? 'ipv6' : 'ipv4')

const toRanges = (ranges: readonly string[]): BlockList => {
  const list = new BlockList()
  for (const range of ranges) {
    const [address = '', bits] = range.split('/')
    list.addSubnet(address, Number(bits), toFamily(isIP(address)))
  }
  return list
}

/**
 * Where nothing of that is: what answers there speaks for the machine (metadata services of clouds), or is no single machine. No list
 * allows them.
 */
const never = toRanges([
  '0.0.0.0/8',
  '169.254.0.0/16',
  '192.0.0.0/24',
  '224.0.0.0/3',
  '::/128',
  'fe80::/10',
  'fec0::/10',
  'ff00::/8',
  // Metadata services of AWS and GCP over IPv6.
  'fd00:ec2::/32',
  'fd20:ce::/32',
  // Link-local IPv4 addresses within those of IPv6, by which a translator would get there.
  '::a9fe:0/112',
  '::ffff:0:a9fe:0/112',
  '64:ff9b::a9fe:0/112',
  '2002:a9fe::/32',
])

/** What is not on the internet (IANA special-purpose address registries), or would get elsewhere by translation. */
const special = toRanges([
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '172.16.0.0/12',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '::1/128',
  '::/96',
  '::ffff:0:0:0/96',
  '64:ff9b::/96',
  '64:ff9b:1::/48',
  '100::/64',
  '2001::/23',
  '2001:db8::/32',
  '2002::/16',
  '3fff::/20',
  '5f00::/16',
  'fc00::/7',
])
const loopback = toRanges(['127.0.0.0/8', '::1/128'])

const notHttps = "is not https://, and not allowed in the agent's configuration"

/** Says where something may be fetched from that an object names: it is not for who writes a RequestAuthentication or a WasmPlugin to have the agent ask whatever it can reach. */
export class PlaceGuard {
  readonly #names = new Set<string>()
  readonly #suffixes: string[] = []
  readonly #ranges = new BlockList()

  constructor(allowed: readonly AllowedPlace[]) {
    for (const place of allowed) {
      if (place.kind === 'range') this.#ranges.addSubnet(place.address, place.bits, place.family)
      else if (place.name.startsWith('*.')) this.#suffixes.push(place.name.slice(1))
      else this.#names.add(place.name)
    }
  }

  /** Why a URL is not asked for, whatever its name resolves to; undefined = it may be. */
  faultOf(url: URL): string | undefined {
    const host = toHost(url)
    if (url.username !== '' || url.password !== '') return 'holds a user name or a password'
    if (url.protocol === 'http:') return this.#isNamed(host) || this.#isListed(host) ? undefined : notHttps
    return url.protocol === 'https:' ? undefined : 'is neither https:// nor http://'
  }

  /** Whether a connection for this URL may go to this IP address. */
  allows(url: URL, address: string): boolean {
    const family = isIP(address)
    // An address with a zone is of a link.
    if (family === 0 || address.includes('%')) return false
    if (isIn(never, address)) return false
    if (this.#isListed(address)) return true
    if (isIn(loopback, address)) return false
    return this.#isNamed(toHost(url)) || !isIn(special, address)
  }

  #isNamed(host: string): boolean {
    return this.#names.has(host) || this.#suffixes.some((suffix) => host.endsWith(suffix))
  }

  #isListed(address: string): boolean {
    return isIP(address) !== 0 && isIn(this.#ranges, address)
  }
}

/** An IPv4 address in the form of IPv6 is judged as the IPv4 address. */
const isIn = (list: BlockList, address: string): boolean => list.check(address, toFamily(isIP(address)))

/** The name or address of a URL, as the resolver and the socket take it. */
export const toHost = ({ hostname }: URL): string => hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
