/** Digits and dots: what a host name can't be. */
export const isIpv4Address = (text: string): boolean => /^[\d.]+$/.test(text)

/** An IPv4 address, or a block of them ("10.0.0.0/8"). */
export const isIpv4Range = (text: string): boolean => /^[\d.]+(\/\d+)?$/.test(text)

/** Whether an address is this one, or within this block. Blocks are of IPv4. */
export const isWithin = (address: string, block: string): boolean => {
  const [base = '', length = '32'] = block.split('/')
  if (!isIpv4Address(address) || !isIpv4Address(base)) return address === block
  // Shifts by 32 would shift by none.
  const hostBits = 2 ** (32 - Number(length))
  return Math.floor(toNumber(address) / hostBits) === Math.floor(toNumber(base) / hostBits)
}

const toNumber = (address: string): number =>
  address.split('.').reduce((number, part) => number * 256 + Number(part), 0)
