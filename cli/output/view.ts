import { isFields } from '#mesh/is-fields.ts'
import type { Paint } from './colour.ts'
import { toSafeJson, toSafeText, toSafeWord } from './safe-text.ts'

/** Of every result. */
export const outputFormats = ['table', 'json', 'yaml', 'name'] as const
export type OutputFormat = (typeof outputFormats)[number] | 'dot' | 'jsonl'

/** The result of a command in all of its forms. */
export interface View {
  /** For `json` and `yaml`. */
  readonly value: unknown
  /** For people. */
  readonly table: (paint: Paint) => string
  /** For `name`: what other commands take to name these things, one a line. */
  readonly names: readonly string[]
  /** For `dot`, where a command offers it: what Graphviz draws. */
  readonly dot?: string
}

/** A list as an item a line, anything else as one line. */
const toJsonLines = (value: unknown): string => {
  const items = isFields(value) && Array.isArray(value['items']) ? value['items'] : [value]
  return items.map((item) => `${toSafeJson(item)}\n`).join('')
}

/** The text of a view, with its final newline; YAML is loaded when it is asked for. */
export const formatView = async (view: View, format: OutputFormat, paint: Paint): Promise<string> => {
  switch (format) {
    case 'json':
      return `${toSafeJson(view.value, 2)}\n`
    case 'yaml': {
      const { stringifyYaml } = await import('./stringify-yaml.ts')
      return stringifyYaml(view.value)
    }
    case 'name':
      return view.names.map((name) => `${toSafeWord(name)}\n`).join('')
    case 'jsonl':
      return toJsonLines(view.value)
    case 'dot':
      return `${view.dot ?? ''}\n`
    case 'table': {
      const text = toSafeText(view.table(paint))
      return text === '' ? '' : `${text}\n`
    }
  }
}
