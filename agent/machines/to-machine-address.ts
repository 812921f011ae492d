import { isIP } from 'node:net'

/** Every machine has these: to others they lead nowhere. */
const ownAddresses = new Set(['127.0.0.1', '::1'])

/** The IP address of a peer "address:port"; undefined for one by which nobody else finds the machine. */
export const toMachineAddress = (peer: string): string | undefined => {
  const address = peer.slice(0, peer.lastIndexOf(':')).replace(/^::ffff:(?=\d+\.)/i, '')
  return isIP(address) === 0 || address.includes('%') || ownAddresses.has(address) ? undefined : address
}
