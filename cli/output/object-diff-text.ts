import { stringify } from 'yaml'
import type { Colour, Paint } from './colour.ts'
import { diffLines, toHunks } from './line-diff.ts'

const colours: Readonly<Record<'-' | '+' | ' ', Colour | undefined>> = { '-': 'red', '+': 'green', ' ': undefined }

/** How one thing differs, as a unified diff of its YAML; null = it is not there. */
export const toDiffText = (name: string, before: unknown, after: unknown, paint: Paint): string => {
  const toText = (value: unknown) => (value === null ? '' : stringify(value, { sortMapEntries: true }))
  const lines = toHunks(diffLines(toText(before), toText(after))).map((line) => {
    if (line === undefined) return paint('dim', '…')
    const text = `${line.sign}${line.text}`
    const colour = colours[line.sign]
    return colour === undefined ? text : paint(colour, text)
  })
  return [paint('bold', name), ...lines].join('\n')
}
