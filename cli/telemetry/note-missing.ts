import type { Unavailable } from '#api/schemas/telemetry.ts'
import type { CliContext } from '../cli-context.ts'

/** Names the clusters that did not answer, and what of theirs is missing. */
export const noteMissing = (
  context: CliContext,
  what: 'records' | 'spans',
  clusters: Iterable<Unavailable[number]>,
): void => {
  for (const { cluster, reason } of clusters) context.note(`Cluster ${cluster}: its ${what} are missing (${reason})`)
}
