import { RE2JS } from 're2js'
import { z } from 'zod'
import { estimateCost, maxRepeats } from './expression-cost.ts'
import { checked } from './message.ts'
import { toErrorMessage } from '../../error-message.ts'

/** Istio's limits: the second one is what Envoys are started with (`re2.max_program_size.error_level`), whose own default is 100. */
const maxLength = 1024
export const maxProgramSize = 32_768

/** What is wrong with a regular expression in RE2's syntax, which is Envoy's. */
export const regularExpressionFault = (text: string): string | undefined => {
  if (text === '') return 'must not be empty'
  if (text.length > maxLength) return `is longer than ${maxLength} characters`
  const { programSize, repeats, sketch } = estimateCost(text)
  if (repeats > maxRepeats) return `repeats something more than ${maxRepeats} times`
  if (programSize > maxProgramSize) return 'is too costly to match: shorten it, or repeat less'
  try {
    RE2JS.compile(sketch)
    return undefined
  } catch (error) {
    const reason = toErrorMessage(error)
    return `is not an RE2 regular expression: ${reason.replace('error parsing regexp: ', '')}`
  }
}

export const regularExpression = checked(z.string(), ({ value, report }) => {
  const fault = regularExpressionFault(value)
  if (fault !== undefined) report(fault)
})
