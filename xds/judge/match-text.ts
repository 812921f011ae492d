import { RE2JS } from 're2js'
import type { StringMatcher } from '#envoy/envoy/type/matcher/v3/string_pb.ts'

/** Whether an expression takes all of a text, as Envoy's do. */
export const matchesWhole = (regex: string, text: string): boolean => RE2JS.compile(regex).matches(text)

/** Envoy: StringMatcher. Expressions tell capitals whatever `ignore_case` says. */
export const matchesText = ({ matchPattern, ignoreCase }: StringMatcher, text: string): boolean => {
  const fold = (each: string) => (ignoreCase ? each.toLowerCase() : each)
  switch (matchPattern.case) {
    case 'exact':
      return fold(text) === fold(matchPattern.value)
    case 'prefix':
      return fold(text).startsWith(fold(matchPattern.value))
    case 'suffix':
      return fold(text).endsWith(fold(matchPattern.value))
    case 'contains':
      return fold(text).includes(fold(matchPattern.value))
    case 'safeRegex':
      return matchesWhole(matchPattern.value.regex, text)
    default:
      return false
  }
}
