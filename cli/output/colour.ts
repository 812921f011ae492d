import type { CliIo, TextOutput } from '../cli-io.ts'

const codes = { bold: 1, red: 31, green: 32, yellow: 33, dim: 2 } as const
export type Colour = keyof typeof codes
export type Paint = (colour: Colour, text: string) => string

/** Colours where a person looks at a terminal and has not asked for none (https://no-color.org). */
export const createPaint = (output: TextOutput, env: CliIo['env']): Paint => {
  const plain = output.isTTY !== true || (env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb'
  return (colour, text) => (plain ? text : `\u001B[${codes[colour]}m${text}\u001B[0m`)
}
