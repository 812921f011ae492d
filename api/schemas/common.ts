import { z } from 'zod'
import { clusterName, meshName } from '#mesh/names.ts'

/** RFC 3339, UTC. */
export const timestamp = z.iso.datetime()

export const MAX_PAGE_SIZE = 500

/** What every list takes. A page may hold fewer items than `limit`, even none, and still have a successor. */
export const pageQuery = z.object({
  limit: z.coerce.number<number>().int().min(1).max(MAX_PAGE_SIZE).default(100).describe('Most items in a page.'),
  cursor: z.string().max(1024).optional().describe('`nextCursor` of the page before; absent = the first page.'),
})

/** A page of a list; `nextCursor: null` is the last one. */
export const toPageSchema = <Item extends z.ZodType>(item: Item) =>
  z.object({ items: z.array(item), nextCursor: z.string().nullable() })

export const meshParams = z.object({ mesh: meshName })
export const clusterParams = meshParams.extend({ cluster: clusterName })

export const resourceId = z.string().min(1).max(64)

export const revisionNumber = z.coerce
  .number<number>()
  .int()
  .min(0)
  .describe('The number of a revision; 0 = before the first.')

/** A yes or no in a query: the words `true` and `false`. */
export const queryFlag = (description: string) =>
  z
    .stringbool({ truthy: ['true'], falsy: ['false'] })
    .default(false)
    .describe(description)

/** Header of every write: repeated with the same key within 24 hours, it is answered as the first time and done once. */
export const idempotencyHeaders = z.object({
  'Idempotency-Key': z.string().min(8).max(128).optional().describe('Makes a repeated request harmless for 24 hours.'),
})

export const configurationWriteHeaders = idempotencyHeaders.extend({
  'If-Match': z
    .string()
    .regex(/^"\d+"$/, 'If-Match holds a revision in quotes, such as "7"')
    .optional()
    .describe('`"<revision>"`: refuse with `revision_mismatch` unless this is still the newest revision.'),
})
