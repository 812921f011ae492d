/** A field of Protocol Buffers that has a length: a text, a message, numbers that are packed. `number` is less than 16. */
export const toField = (number: number, parts: readonly Uint8Array[]): Buffer => {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...toVarint(length)]), ...parts])
}

export const toVarint = (value: number): number[] =>
  value < 0x80 ? [value] : [(value % 0x80) | 0x80, ...toVarint(Math.floor(value / 0x80))]
