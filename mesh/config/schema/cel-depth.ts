import { parse } from '@bufbuild/cel'

export type Expression = NonNullable<ReturnType<typeof parse>['expr']>

/** Envoy's parser (cel-cpp, ParserOptions.max_recursion_depth). It holds two counts to it: of brackets and of expressions. */
const maxDepth = 32

/** What is told apart in an expression: comments and literals, in which nothing counts, signs before what they are of, and what nests. */
export const celTokens =
  /\/\/.*|(?:[rR][bB]?|[bB][rR])(?:"""[^]*?"""|'''[^]*?'''|".*?"|'.*?')|"""(?:\\[^]|[^\\])*?"""|'''(?:\\[^]|[^\\])*?'''|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|!(?!=)(?:\s*!)*|(?<![\w)\]}'"]\s*)-(?:\s*-)*(?!\s*[\d.])|[()[\]{}?:,]/g

/**
 * Whether Envoy refuses an expression, which has to be one, for its depth. It may be said some levels too early, never too late: Envoy's parser takes
 * any number of `&&` on one level, and a conditional that is an argument on that of its call.
 */
export const isTooDeep = (text: string): boolean => {
  const { expr } = parse(withOtherSigns(text))
  return nesting(text) > maxDepth || (expr !== undefined && depth(expr) > maxDepth)
}

/** The parser here leaves out a sign that the one before takes back: `!!a`, `-(-a)`. Envoy's goes as deep as for one. So no two of the same follow. */
const withOtherSigns = (text: string): string => {
  let signs = 0
  return text.replaceAll(celTokens, (token) => (/^[!-]/.test(token) ? (signs++ % 2 === 0 ? '! ' : '- ') : token))
}

/** Brackets around each other; what comes after the ":" of a conditional is in one, too. */
const nesting = (text: string): number => {
  const open = [{ isConditional: false, otherwise: 0 }]
  let deepest = 0
  for (const [token] of text.matchAll(celTokens)) {
    const inner = open.at(-1)
    if (/^[([{]$/.test(token)) open.push({ isConditional: false, otherwise: 0 })
    else if (/^[)\]}]$/.test(token)) open.pop()
    else if (inner && token === '?') inner.isConditional = true
    else if (inner && (token === ',' || token === ':')) {
      // A ":" without its "?" is of a map or message.
      inner.otherwise = inner.isConditional ? inner.otherwise + 1 : 0
      inner.isConditional = false
    }
    deepest = Math.max(deepest, open.length - 1 + open.reduce((sum, { otherwise }) => sum + otherwise, 0))
  }
  return deepest
}

const depth = (expression: Expression): number => {
  const { case: kind, value } = expression.exprKind
  // has() is a call around what it asks for.
  const own = kind === 'selectExpr' && value.testOnly ? 2 : 1
  return own + childrenOf(expression).reduce((deepest, child) => Math.max(deepest, depth(child)), 0)
}

/** What an expression is made of. A loop is none that proxies run: what is in it is not told. */
export const childrenOf = ({ exprKind: { case: kind, value } }: Expression): readonly Expression[] => {
  const children = (): readonly (Expression | undefined)[] => {
    switch (kind) {
      case 'selectExpr':
        return [value.operand]
      case 'callExpr':
        return [value.target, ...value.args]
      case 'listExpr':
        return value.elements
      case 'structExpr':
        return value.entries.flatMap((entry) => [
          entry.keyKind.case === 'mapKey' ? entry.keyKind.value : undefined,
          entry.value,
        ])
      default:
        return []
    }
  }
  return children().filter((child) => child !== undefined)
}
