/** The places of values that were there before; undefined ones don't count. */
export const findRepeated = (values: readonly (string | number | undefined)[]): readonly number[] => {
  const seen = new Set<string | number>()
  return values.flatMap((value, index) => {
    if (value === undefined) return []
    if (seen.has(value)) return [index]
    seen.add(value)
    return []
  })
}
