import { z } from 'zod'
import { meshName } from '#mesh/names.ts'

const name = z.string().describe('As `limit` of a refusal has it.')

/** What an org may have and has, and how much it asks. */
export const usage = z
  .object({
    quotas: z
      .array(z.object({ name, mesh: meshName.optional(), limit: z.int(), used: z.int() }))
      .describe('Refused beyond it: `limit_reached`. With `mesh`: of that mesh.'),
    requests: z
      .array(z.object({ name, limit: z.int(), windowSeconds: z.int(), used: z.int() }))
      .describe(
        'Refused beyond it, for a while: `rate_limited`. `used` is what this one process of the plane has counted: there may be more of them.',
      ),
  })
  .meta({ id: 'Usage' })
