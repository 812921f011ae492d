/** Those that differ in what they say, which is plain data; in the order of the first of each. */
export const distinctData = <T>(data: readonly T[]): readonly T[] => [
  ...new Map(data.map((each) => [JSON.stringify(each), each])).values(),
]
