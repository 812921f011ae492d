/** What an expression may compile to. */
export interface ExpressionCost {
  /** Instructions of RE2's program: at least as many as Envoy counts. */
  readonly programSize: number
  /** How often its innermost part is repeated: the product of the counts around it. */
  readonly repeats: number
  /** An expression that is right exactly if this one is, but that costs no more to compile than its text is long. */
  readonly sketch: string
}

type Cost = Omit<ExpressionCost, 'sketch'>

const tokens = new RegExp(
  [
    String.raw`\\Q[^]*?(?:\\E|$)`,
    String.raw`\\[pP](?:\{[^}]*\}|.)`,
    String.raw`\\x\{[^}]*\}`,
    String.raw`\\[^]`,
    String.raw`\[\^?\]?(?:\[:[^\]:]*:\]|\\[^]|[^\]\\])*\]`,
    String.raw`\(\?[imsU-]*[:)]`,
    String.raw`\(\?P?<[^>]*>`,
    String.raw`\{\d+(?:,\d*)?\}`,
    '[^]',
  ].join('|'),
  'g',
)
const flags = /^\(\?[imsU-]*[:)]$/
const count = /^\{(\d+)(,?)(\d*)\}$/
const unicodeClass = /\\[pP](?:\{[^}]*\}|.)/g
const perlClass = /\\[dDsSwW]/g
const nonAscii = /[\u0080-\uFFFF]/g

/** RE2's limit to a count, and to the product of nested ones. */
export const maxRepeats = 1000
/** Every program has them. */
const frameSize = 4
const groupSize = 2

/** Bytes, and what a class comes to: Envoy reads bytes, of which a Unicode class selects up to 16 ranges. */
const sizeOf = (token: string): number =>
  token.replace(nonAscii, '...').length +
  16 * (token.match(unicodeClass)?.length ?? 0) +
  4 * (token.match(perlClass)?.length ?? 0) +
  (token === '.' ? 1 : 0)

const sum = (costs: readonly Cost[]): Cost => ({
  programSize: costs.reduce((total, { programSize }) => total + programSize, 0),
  repeats: costs.reduce((most, { repeats }) => Math.max(most, repeats), 1),
})

const toTimes = (token: string): { readonly least: number; readonly most: number } | undefined => {
  const [, least, comma, most] = count.exec(token) ?? []
  if (least === undefined) return undefined
  return { least: Number(least), most: comma === '' || most === '' ? Number(least) : Number(most) }
}

/** Counts and the case of letters make no difference to what is right, but all of it to the cost. */
const toSketch = (token: string): string => {
  if (flags.test(token)) return token.replaceAll('i', 's')
  const times = toTimes(token)
  if (!times || times.least > times.most || times.most > maxRepeats) return token
  return token.replaceAll(/[1-9]\d*/g, '1')
}

/**
 * Estimates what compiling an expression in RE2's syntax costs, in one pass over its text. What it answers for a text that is no expression
 * means nothing.
 */
export const estimateCost = (text: string): ExpressionCost => {
  const parts: readonly string[] = text.match(tokens) ?? []
  const groups: Cost[][] = [[]]
  for (const token of parts) {
    const group = groups.at(-1) ?? []
    const times = toTimes(token)
    if (token.startsWith('(') && !token.endsWith(')')) groups.push([])
    else if (token === ')' && groups.length > 1) {
      groups.pop()
      const { programSize, repeats } = sum(group)
      groups.at(-1)?.push({ programSize: programSize + groupSize, repeats })
    } else if (times) {
      const { programSize, repeats } = group.pop() ?? sum([])
      const copies = Math.max(times.most, 1)
      group.push({ programSize: (programSize + 1) * copies + 1, repeats: repeats * copies })
    } else group.push({ programSize: sizeOf(token), repeats: 1 })
  }
  const { programSize, repeats } = sum(groups.flat())
  const seen = new Set<string>()
  const sketch = parts
    .map(toSketch)
    .join('')
    // The same class many times over costs the square of it.
    .replace(unicodeClass, (found) => {
      if (seen.has(found)) return String.raw`\d`
      seen.add(found)
      return found
    })
  return { programSize: programSize + frameSize, repeats, sketch }
}
