import type { Token } from '#api/schemas/tokens.ts'
import type { CliContext } from './cli-context.ts'
import { toRoughDuration } from './duration.ts'

const WARNING_MS = 30 * 24 * 60 * 60 * 1000

/** When a token ends, and how long that is from now. */
export const toExpiryText = ({ expiresAt }: Pick<Token, 'expiresAt'>, nowMs: number): string => {
  const leftMs = Date.parse(expiresAt) - nowMs
  return `${expiresAt} (${leftMs > 0 ? `in ${toRoughDuration(leftMs)}` : 'over'})`
}

type Lifetime = Pick<Token, 'createdAt' | 'expiresAt'>

/** Whether the end is near of what was made to last. A token for a pipeline's hour ends as it was meant to. */
const isNearEnd = ({ createdAt, expiresAt }: Lifetime, nowMs: number): boolean => {
  const endsAtMs = Date.parse(expiresAt)
  return endsAtMs - nowMs < WARNING_MS && endsAtMs - Date.parse(createdAt) > WARNING_MS
}

/** Warns who signed in with a token for long that its end is near. */
export const warnOfExpiry = (context: CliContext, token: Lifetime): void => {
  const nowMs = context.io.now()
  if (!isNearEnd(token, nowMs)) return
  context.note(
    `warning: this token ends in ${toRoughDuration(Date.parse(token.expiresAt) - nowMs)}. Make another one in time: atoll token create --out FILE, then atoll login`,
  )
}

/** Warns who lists tokens of those that are near their end. `make`: the command for another one. */
export const warnOfExpiries = <Listed extends Lifetime>(
  context: CliContext,
  tokens: readonly Listed[],
  { what, name, make }: { readonly what: string; readonly name: (token: Listed) => string; readonly make: string },
): void => {
  const nowMs = context.io.now()
  const near = tokens
    .filter((token) => isNearEnd(token, nowMs))
    .toSorted((a, b) => Date.parse(a.expiresAt) - Date.parse(b.expiresAt))
  const [first] = near
  if (first === undefined) return
  const leftMs = Date.parse(first.expiresAt) - nowMs
  const when = leftMs > 0 ? `ends in ${toRoughDuration(leftMs)}` : 'is over'
  const others = near.length === 1 ? '' : `, and ${near.length - 1} more within 30 days`
  context.note(`warning: ${what} ${name(first)} ${when}${others}. Make another one in time: ${make}`)
}
