import { z } from 'zod'

/** Port of the caller's pod where the test tells it what to do; it is not captured. */
export const callerPort = 9000

/** What became of the requests of one load. */
export const loadReport = z.object({
  sent: z.int(),
  failures: z.array(
    z.object({
      /** Since the load began. */
      atMs: z.int(),
      tookMs: z.int(),
      /** Status and body of an answer that is no 200, or why there was none. */
      why: z.string(),
    }),
  ),
  /** How many waited for longer than a second for their answer, or its lack, and the longest wait. */
  slow: z.int(),
  slowestMs: z.int(),
  /** How many requests each pod has answered, by `cluster/pod`. */
  answers: z.record(z.string(), z.int()),
})
export type LoadReport = z.infer<typeof loadReport>
