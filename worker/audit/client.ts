import type { AuditEvent } from '#api/schemas/audit.ts'

/** From where a request came, for the audit log. */
export type AuditClient = NonNullable<AuditEvent['client']>

const MAX_AGENT_CHARS = 120

/**
 * Who sent a request, as far as it can be known: the address is taken from the header that the platform sets itself
 * (`CLIENT_ADDRESS_HEADER`), and from none where anybody could set it.
 */
export const toAuditClient = (headers: Headers, { CLIENT_ADDRESS_HEADER }: Cloudflare.Env): AuditClient => ({
  address: CLIENT_ADDRESS_HEADER === '' ? null : (headers.get(CLIENT_ADDRESS_HEADER)?.slice(0, 64) ?? null),
  userAgent:
    headers
      .get('User-Agent')
      ?.replaceAll(/[^\x20-\x7e]/g, '?')
      .slice(0, MAX_AGENT_CHARS) ?? null,
})
