import { z } from 'zod'
import { openEnum } from '../open-enum.ts'
import { resourceId, timestamp } from './common.ts'

/**
 * What a request that changes something has to carry beside the cookie of a session. A page of another origin can't send it without asking
 * first (a CORS preflight), which the plane never allows.
 */
export const CSRF_HEADER = 'X-Atoll-Csrf'

/** A sign-in of a member that has not ended. */
export const session = z
  .object({
    id: resourceId.describe('That of the token which the session is.'),
    kind: openEnum(['browser', 'command-line']),
    current: z.boolean().describe('Whether this request is of it.'),
    createdAt: timestamp,
    expiresAt: timestamp.describe('When it ends in any case.'),
    idleExpiresAt: timestamp.nullable().describe('When it ends if it is not used until then; null = it does not.'),
    client: z
      .object({ address: z.string().nullable(), userAgent: z.string().nullable() })
      .nullable()
      .describe('From where it began.'),
  })
  .meta({ id: 'Session' })
export type Session = z.infer<typeof session>
