import { celTokens } from './cel-depth.ts'

/** CEL's (its specification: ESCAPE), those that bytes do not have, and any other "\". */
const escapes = /\\(?:[abfnrtv"'`?\\]|[xX][\da-fA-F]{2}|[0-3][0-7]{2}|(u[\da-fA-F]{4}|U[\da-fA-F]{8})|([^]))/g

/** Why Envoy would refuse an expression for what follows a "\": the parser here takes anything. */
export const escapeFault = (expression: string): string | undefined => {
  for (const { 0: token, index } of expression.matchAll(celTokens)) {
    // What begins with an "r" has no escapes.
    if (!/^["']/.test(token)) continue
    const isOfBytes = /[bB]/.test(expression.charAt(index - 1))
    for (const [, ofCharacter, other] of token.matchAll(escapes)) {
      const wrong = other ?? (isOfBytes ? ofCharacter : undefined)
      if (wrong !== undefined)
        return `has \\${wrong} in a text, where a "\\" begins an escape of CEL: write \\\\${wrong}, or the text as r'…', which has no escapes`
    }
  }
  return undefined
}
