import { z } from 'zod'

/** What the supervisor tells the host over their channel: secrets are in no argument and no environment. */
export const hostOrder = z.object({
  host: z.string(),
  port: z.int(),
  state: z.string(),
  /** PEM. Absent = plain HTTP. */
  tls: z.object({ certificates: z.string(), key: z.string() }).optional(),
  keyEncryptionKey: z.string(),
  previousKeyEncryptionKey: z.string().optional(),
  /** JSON, as `parseKmsSettings` reads it. */
  kms: z.string().optional(),
  setupTokenHash: z.string(),
  generation: z.string(),
})
export type HostOrder = z.infer<typeof hostOrder>

/** What the host tells the supervisor. */
export const hostReport = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ready'), url: z.string(), setUp: z.boolean() }),
  z.object({ type: z.literal('set-up') }),
  z.object({ type: z.literal('runtime-restarted') }),
  /** `newerData`: it would be the same at every attempt. */
  z.object({ type: z.literal('failed'), reason: z.string(), newerData: z.boolean() }),
])
export type HostReport = z.infer<typeof hostReport>
