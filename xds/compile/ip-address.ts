/** Digits and dots: what a host name can't be. */
export const isIpv4Address = (text: string): boolean => /^[\d.]+$/.test(text)

/** An IPv4 address, or a block of them ("10.0.0.0/8"). */
export const isIpv4Range = (text: string): boolean => /^[\d.]+(\/\d+)?$/.test(text)

/** Whether an address is this one, or within this block. What is no address is in none, and itself. */
export const isWithin = (address: string, block: string): boolean => {
  const [base = ''] = block.split('/')
  return address === block || isInBlock(address, { addressPrefix: base, prefixLen: toBlockLength(block) })
}

/** How many bits the addresses of a block have in common: all, of one address. */
export const toBlockLength = (block: string): number => {
  const [base = '', length] = block.split('/')
  return Number(length ?? toBits(base)?.size ?? 0)
}

/** Envoy: CidrRange. Addresses of another version are in none. */
export const isInBlock = (
  address: string,
  { addressPrefix, prefixLen = 0 }: { readonly addressPrefix: string; readonly prefixLen?: number | undefined },
): boolean => {
  const one = toBits(address)
  const other = toBits(addressPrefix)
  if (!one || !other || one.size !== other.size) return false
  const rest = BigInt(one.size - Math.min(prefixLen, one.size))
  return one.value >> rest === other.value >> rest
}

const toBits = (address: string): { readonly value: bigint; readonly size: number } | undefined => {
  if (!address.includes(':')) {
    const parts = address.split('.').map(Number)
    if (parts.length !== 4 || !parts.every((part) => part >= 0 && part <= 255)) return undefined
    return { value: toNumber(parts, 8n), size: 32 }
  }
  const [, head = address, dotted] = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(address) ?? []
  const [high = 0, low = 0] = dotted === undefined ? [] : toHalves(dotted)
  const text = dotted === undefined ? address : `${head}${high.toString(16)}:${low.toString(16)}`
  const [front = '', back] = text.split('::')
  const before = toGroups(front)
  const after = back === undefined ? [] : toGroups(back)
  const zeros = back === undefined ? 0 : 8 - before.length - after.length
  if (before.length + after.length + zeros !== 8 || zeros < 0) return undefined
  return { value: toNumber([...before, ...Array.from({ length: zeros }, () => 0), ...after], 16n), size: 128 }
}

const toHalves = (dotted: string): readonly number[] => {
  const [a = 0, b = 0, c = 0, d = 0] = dotted.split('.').map(Number)
  return [a * 256 + b, c * 256 + d]
}

const toGroups = (text: string): readonly number[] =>
  text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16))

const toNumber = (parts: readonly number[], bits: bigint): bigint =>
  parts.reduce((sum, part) => (sum << bits) + BigInt(part), 0n)
