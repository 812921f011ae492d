import { getRevisionDelivery } from '#api/routes/revisions.ts'
import { MAX_WAIT_SECONDS } from '#api/schemas/revisions.ts'
import type { RevisionDelivery } from '#api/schemas/revisions.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { Progress } from '../output/progress.ts'
import { isInSync, isSettled, toLaggardLines, toLiveSentence } from './delivery-text.ts'

/** A refusal may be followed by the agent's own way out of it (the rest without what was refused): wait this long for it. */
const REFUSAL_GRACE_MS = 5_000

/**
 * Follows a revision to the proxies, with live counts on the terminal: until it is everywhere, nothing more can come, or the
 * time is over. Answers what it last saw.
 */
export const waitForDelivery = async (
  context: CliContext,
  mesh: string,
  revision: number,
  timeoutSeconds: number,
): Promise<RevisionDelivery> => {
  const { now } = context.io
  const client = context.client()
  const progress = new Progress(context.io.stderr)
  const deadline = now() + timeoutSeconds * 1000
  let settledSince: number | undefined
  let after: string | undefined
  try {
    for (;;) {
      const end = Math.min(deadline, settledSince === undefined ? deadline : settledSince + REFUSAL_GRACE_MS)
      const waitSeconds = Math.min(MAX_WAIT_SECONDS, Math.max(0, (end - now()) / 1000))
      const delivery = await client.call(getRevisionDelivery, {
        params: { mesh, revision },
        query: { waitSeconds, after },
      })
      if (delivery.complete || now() >= end) return delivery
      settledSince = isSettled(delivery) ? (settledSince ?? now()) : undefined
      after = delivery.version
      progress.show(toLiveSentence(delivery))
    }
  } finally {
    progress.clear()
  }
}

/** The answer to "did my change land?": the sentence, and why not where it did not. */
export const toDeliveryText = (delivery: RevisionDelivery): string =>
  [
    toLiveSentence(delivery),
    ...delivery.clusters
      .filter((cluster) => !isInSync(cluster))
      .flatMap(toLaggardLines)
      .map((line) => `  ${line}`),
  ].join('\n')

/** Ends a command whose revision is not everywhere with the exit code that says so. */
export const requireComplete = (context: CliContext, delivery: RevisionDelivery, timeoutSeconds: number): void => {
  if (delivery.complete) return
  const refused = delivery.clusters.some((cluster) => cluster.nacks.length > 0)
  throw new CliError('notInSync', context.paintNotes('bold', `Revision ${delivery.revision} is not live everywhere`), {
    remedy: refused
      ? 'Roll back with "atoll revision rollback", or apply a correction.'
      : `It was waited for at most ${timeoutSeconds} s.`,
  })
}
