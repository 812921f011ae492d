import { RE2JS } from 're2js'
import { z } from 'zod'
import { checked } from './message.ts'

/** Istio's limit; Envoy's own is on the size of the compiled program, which is larger than the text. */
const maxLength = 1024

/** What is wrong with a regular expression in RE2's syntax, which is Envoy's. */
export const regularExpressionFault = (text: string): string | undefined => {
  if (text === '') return 'must not be empty'
  if (text.length > maxLength) return `is longer than ${maxLength} characters`
  try {
    RE2JS.compile(text)
    return undefined
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    return `is not an RE2 regular expression: ${reason.replace('error parsing regexp: ', '')}`
  }
}

export const regularExpression = checked(z.string(), ({ value, report }) => {
  const fault = regularExpressionFault(value)
  if (fault !== undefined) report(fault)
})
