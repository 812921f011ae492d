import { z } from 'zod'
import { meshName } from '#mesh/names.ts'

const counts = { keys: z.int(), pending: z.int().describe('Of them, those that are not sealed with the current key.') }

export const keyEncryption = z
  .object({
    current: z.string().describe('Names the key-encryption key that seals now.'),
    previous: z.string().nullable().describe('… and the one that only opens; null = there is none.'),
    ...counts,
    signIn: z
      .object(counts)
      .optional()
      .describe("Of the org's identity provider: its client secret, which is sealed anew by this question."),
    meshes: z.array(z.object({ mesh: meshName, ...counts })),
  })
  .meta({ id: 'KeyEncryption' })
export type KeyEncryption = z.infer<typeof keyEncryption>
