import { Document, Scalar, visit } from 'yaml'
import { toEscape, unescaped } from './safe-text.ts'

/** A value as YAML that can be shown on a terminal. In a module of its own: what is imported lazily from a CommonJS package has no names once it is bundled. */
export const stringifyYaml = (value: unknown): string => {
  const document = new Document(value)
  visit(document, {
    Scalar: (_, scalar) => {
      if (typeof scalar.value === 'string' && scalar.value.search(unescaped) >= 0) scalar.type = Scalar.QUOTE_DOUBLE
    },
  })
  return document.toString().replaceAll(unescaped, toEscape)
}
