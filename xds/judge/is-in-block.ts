import type { CidrRange } from '#envoy/envoy/config/core/v3/address_pb.ts'

/** Envoy: CidrRange. Addresses of another version are in none. */
export const isInBlock = (address: string, { addressPrefix, prefixLen = 0 }: CidrRange): boolean => {
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
