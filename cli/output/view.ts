import type { Paint } from './colour.ts'
import { toSafeText } from './safe-text.ts'

export const outputFormats = ['table', 'json', 'yaml', 'name'] as const
export type OutputFormat = (typeof outputFormats)[number]

/** The result of a command in all of its forms. */
export interface View {
  /** For `json` and `yaml`. */
  readonly value: unknown
  /** For people. */
  readonly table: (paint: Paint) => string
  /** For `name`: what other commands take to name these things, one a line. */
  readonly names: readonly string[]
}

/** The text of a view, with its final newline; YAML is loaded when it is asked for. */
export const formatView = async (view: View, format: OutputFormat, paint: Paint): Promise<string> => {
  switch (format) {
    case 'json':
      return `${JSON.stringify(view.value, undefined, 2)}\n`
    case 'yaml': {
      const { stringifyYaml } = await import('./stringify-yaml.ts')
      return stringifyYaml(view.value)
    }
    case 'name':
      return view.names.map((name) => `${name}\n`).join('')
    case 'table': {
      const text = toSafeText(view.table(paint))
      return text === '' ? '' : `${text}\n`
    }
  }
}
