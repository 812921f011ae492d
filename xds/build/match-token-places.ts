import type { TokenPlace } from '#xds/model/token-check.ts'
import type { HeaderMatch, RouteMatch } from '#xds/model/virtual-host.ts'

/** Conditions of a request that all hold. */
export type Conditions = Pick<RouteMatch, 'headers' | 'queryParameters'>

const onHeaders = (...headers: readonly HeaderMatch[]): Conditions => ({ headers, queryParameters: [] })
const regex = (name: string, text: string): HeaderMatch => ({
  name,
  value: { kind: 'regex', text: `(?s)${text}` },
  isInverted: false,
})

export const allConditions = (...several: readonly Conditions[]): Conditions => ({
  headers: several.flatMap(({ headers }) => headers),
  queryParameters: several.flatMap(({ queryParameters }) => queryParameters),
})

/** Whether a request has something at a place that may be a token. Envoy looks for a prefix anywhere in a header. */
export const hasToken = (place: TokenPlace): Conditions => {
  const { kind, name } = place
  switch (kind) {
    case 'header':
      return onHeaders(
        place.prefix === ''
          ? { name, value: { kind: 'present' }, isInverted: false }
          : regex(name, `.*${toPattern(place.prefix, escape).text}.*`),
      )
    case 'parameter':
      return { headers: [], queryParameters: [{ name, value: { kind: 'present' } }] }
    case 'cookie':
      return onHeaders(regex('cookie', `(?:.*;)?\\s*${toPattern(name, escape).text}.*`))
  }
}

/**
 * Requests that are refused for what they have at a place: Envoy looks at the first of several parameters or cookies of a name alone, and
 * at nothing behind a prefix in other letters, where an application may take another one than it, or all of them.
 */
export const findAmbiguous = (place: TokenPlace): readonly Conditions[] => {
  const { kind, name } = place
  switch (kind) {
    case 'header':
      // Its lines are looked at one by one, and have to be right all of them.
      return name.toLowerCase() === 'authorization' && place.prefix === 'Bearer '
        ? [onHeaders(regex(name, '\\s*(?i:bearer)\\s.*'), not(regex(name, '.*Bearer .*')))]
        : []
    case 'parameter': {
      const { text, isWhole } = toPattern(name, encode)
      const one = `[?&]${text}${isWhole ? '[=&]' : ''}.*`
      return [onHeaders(regex(':path', `.*${one}${one}`)), ...findEncoded(name)]
    }
    case 'cookie': {
      const one = `;\\s*${toPattern(name, escape).text}.*`
      return [onHeaders(regex('cookie', `(?:.*;)?\\s*${toPattern(name, escape).text}.*${one}`))]
    }
  }
}

/** A parameter with letters of the name in another form (RFC 3986 §6.2.2.2), which is it or is of no use to anybody. */
const findEncoded = (name: string): readonly Conditions[] => {
  const letters = new Set(Array.from(name).filter(isPlain))
  if (letters.size === 0) return []
  const codes = Array.from(letters, (letter) => letter.charCodeAt(0).toString(16))
  const some = codes.length > 16 ? allCodes : codes.join('|')
  return [onHeaders(regex(':path', `.*[?&][^=&]*%(?i:${some}).*`))]
}

/** Of unreserved letters. */
const allCodes = '2[de]|3[0-9]|4[1-9a-f]|5[0-9af]|6[1-9a-f]|7[0-9ae]'

const not = (match: HeaderMatch): HeaderMatch => ({ ...match, isInverted: true })

/** Envoy refuses expressions of more than 100 instructions; a name is in one twice. */
const maxCost = 30

/** As much of a text as an expression has room for. Who has the rest of another one is taken for it. */
const toPattern = (
  text: string,
  toText: (letter: string) => string,
): { readonly text: string; readonly isWhole: boolean } => {
  const letters = Array.from(text.toWellFormed())
  let cost = 0
  const end = letters.findIndex((letter) => (cost += isPlain(letter) ? 1 : 10) > maxCost)
  return {
    text: letters
      .slice(0, end < 0 ? undefined : end)
      .map(toText)
      .join(''),
    isWhole: end < 0,
  }
}

/** Unreserved (RFC 3986 §2.3): what nobody encodes. */
const isPlain = (letter: string): boolean => /^[-A-Za-z0-9._~]$/.test(letter)

const escape = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')

const encode = (letter: string): string =>
  isPlain(letter) ? escape(letter) : `(?:${escape(letter)}|${encodeURIComponent(letter).replace(/%(..)/g, '%(?i:$1)')})`
