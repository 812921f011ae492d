import { stripVTControlCharacters } from 'node:util'

export const toWidth = (text: string): number => Array.from(stripVTControlCharacters(text)).length

/** Columns under upper-case headings, two spaces apart, without trailing blanks. */
export const toTable = (headings: readonly string[], rows: readonly (readonly string[])[]): string => {
  const lines = [headings, ...rows]
  const widths = headings.map((_, column) => Math.max(...lines.map((line) => toWidth(line[column] ?? ''))))
  const pad = (text: string, column: number) => text + ' '.repeat((widths[column] ?? 0) - toWidth(text))
  return lines.map((line) => line.map(pad).join('  ').trimEnd()).join('\n')
}

/** "name  value" lines, for one thing with its fields. */
export const toFields = (fields: readonly (readonly [string, string])[]): string => {
  const longest = Math.max(...fields.map(([name]) => toWidth(name)))
  return fields.map(([name, value]) => `${name}${' '.repeat(longest - toWidth(name))}  ${value}`.trimEnd()).join('\n')
}
