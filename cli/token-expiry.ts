import type { Token } from '#api/schemas/tokens.ts'
import type { CliContext } from './cli-context.ts'
import { toRoughDuration } from './duration.ts'

const WARNING_MS = 30 * 24 * 60 * 60 * 1000

/** When a token ends, and how long that is from now. */
export const toExpiryText = ({ expiresAt }: Pick<Token, 'expiresAt'>, nowMs: number): string => {
  const leftMs = Date.parse(expiresAt) - nowMs
  return `${expiresAt} (${leftMs > 0 ? `in ${toRoughDuration(leftMs)}` : 'over'})`
}

/** Warns who signed in with a token for long that its end is near. A token for a pipeline's hour ends as it was meant to. */
export const warnOfExpiry = (context: CliContext, token: Pick<Token, 'createdAt' | 'expiresAt'>): void => {
  const endsAtMs = Date.parse(token.expiresAt)
  const leftMs = endsAtMs - context.io.now()
  if (leftMs >= WARNING_MS || endsAtMs - Date.parse(token.createdAt) <= WARNING_MS) return
  context.note(
    `warning: this token ends in ${toRoughDuration(leftMs)}. Make another one in time: atoll token create --out FILE, then atoll login`,
  )
}
