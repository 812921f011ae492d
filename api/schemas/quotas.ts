import { z } from 'zod'
import { namespaceName } from '#mesh/names.ts'
import { pageQuery } from './common.ts'

export const listQuotasQuery = pageQuery.extend({
  namespace: namespaceName.optional().describe('Only of RateLimits of this namespace.'),
  day: z.iso.date().optional().describe('Of UTC, a week ago at the most; absent = today.'),
})

/** What one consumer has used of a day's quota. */
export const quotaUse = z
  .object({
    namespace: namespaceName,
    rateLimit: z.string().describe('The RateLimit that says it.'),
    limit: z.string().describe("The limit's name in it."),
    consumer: z
      .string()
      .describe(
        'What requests are counted apart by; of a header only "sha256:" and the beginning of its hash. "" = all together.',
      ),
    day: z.iso.date(),
    used: z.int().min(0).describe('With what is leased to agents and not given back.'),
    requests: z.int().min(1).nullable().describe('How many there may be; null = there is no such limit any more.'),
  })
  .meta({ id: 'QuotaUse' })
export type QuotaUse = z.infer<typeof quotaUse>
