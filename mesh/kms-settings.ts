import { z } from 'zod'
import { parseJson } from './parse-json.ts'
import { err, ok, type Result } from './result.ts'

/** What an operator tells a plane of a KMS that keeps the keys of roots (docs/trust.md), as JSON. */
const kmsSettings = z.strictObject({
  provider: z.literal('aws'),
  accessKeyId: z.string().min(1),
  secretAccessKey: z.string().min(1),
  sessionToken: z.string().optional(),
  endpoint: z.url().optional(),
  /** By the mesh's id (`atoll mesh show`): the ARN of a key. An alias could be led to another. */
  keys: z.record(z.string(), z.string()),
})
export type KmsSettings = z.infer<typeof kmsSettings>

/** The error names what is wrong, and repeats nothing of it. */
export const parseKmsSettings = (text: string): Result<KmsSettings, string> => {
  const { data, error } = kmsSettings.safeParse(parseJson(text))
  if (data) return ok(data)
  return err([...new Set(error.issues.map(({ path }) => path[0] ?? 'all of it'))].map(String).join(', '))
}
