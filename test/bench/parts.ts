type Tell = (step: string) => void

/** What there is to measure of a subject, by name; the order is that of the reports. */
export type Measures<Options> = Readonly<
  Record<string, (options: Options, directory: string, tell: Tell) => Promise<unknown>>
>

/** None are all. */
export const parseParts = (subject: string, measures: Measures<never>, names: readonly string[]): readonly string[] => {
  const all = Object.keys(measures)
  const unknown = names.find((name) => !Object.hasOwn(measures, name))
  if (unknown !== undefined) throw new Error(`a part of ${subject} is ${all.join(', ')}, not ${unknown}`)
  return names.length === 0 ? all : all.filter((part) => names.includes(part))
}

export const measureParts = async <Options>(
  inFolder: <T>(name: string, run: (directory: string, tell: Tell) => Promise<T>) => Promise<T>,
  measures: Measures<Options>,
  parts: readonly string[],
  options: Options,
): Promise<Readonly<Record<string, unknown>>> => {
  const reports: Record<string, unknown> = {}
  for (const part of parts)
    reports[part] = await inFolder(part, async (directory, tell) => measures[part]?.(options, directory, tell))
  return reports
}
