/** Names that lead nowhere public, whoever resolves them (RFC 6761, RFC 6762, RFC 8375). */
const privateZones = ['localhost', 'local', 'internal', 'home.arpa', 'test', 'invalid', 'onion']

/** Whether a URL is of this machine: what is said there without TLS, nobody hears. */
export const isLoopback = ({ hostname }: URL): boolean => /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)

/**
 * Whether the plane may ask a URL that somebody else has chosen: `https`, by a name of the public DNS. Addresses are none: a provider of
 * identities has a name. `allowsLoopback`: also this machine, for development.
 */
export const isPublicUrl = (url: URL, allowsLoopback: boolean): boolean => {
  const { protocol, hostname, username, password } = url
  if (username !== '' || password !== '') return false
  if (allowsLoopback && isLoopback(url)) return true
  const name = hostname.toLowerCase().replace(/\.$/, '')
  // The URL's parser has made addresses of all that is one: "0x7f.1", "2130706433".
  const isAddress = name.startsWith('[') || /^[\d.]+$/.test(name)
  return (
    protocol === 'https:' &&
    !isAddress &&
    name.includes('.') &&
    privateZones.every((zone) => name !== zone && !name.endsWith(`.${zone}`))
  )
}
