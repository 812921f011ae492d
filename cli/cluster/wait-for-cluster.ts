import { AtollError } from '#api/atoll-error.ts'
import { getCluster } from '#api/routes/clusters.ts'
import { getMesh } from '#api/routes/meshes.ts'
import { getRevisionDelivery } from '#api/routes/revisions.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { isInSync, toLaggardLines } from '../delivery/delivery-text.ts'
import { Progress } from '../output/progress.ts'

const POLL_MS = 500

interface Wait {
  readonly mesh: string
  readonly cluster: string
  readonly timeoutSeconds: number
  /** Aborted when the agent that is waited for has ended. */
  readonly signal: AbortSignal
  /** Why it takes long, if there is something to say. */
  readonly explain?: () => Promise<readonly string[]>
}

/** Waits until a cluster's agent is connected and all of its proxies have the newest revision. */
export const waitForCluster = async (context: CliContext, wait: Wait): Promise<void> => {
  const { cluster, timeoutSeconds, signal, explain = async () => [] } = wait
  const progress = new Progress(context.io.stderr)
  const deadline = context.io.now() + timeoutSeconds * 1000
  let waitingFor = await whatIsMissing(context, wait)
  while (waitingFor !== undefined && !signal.aborted) {
    progress.show([`waiting for cluster ${cluster}: ${waitingFor}`, ...(await explain())].join('; '))
    if (context.io.now() >= deadline) {
      progress.clear()
      throw new CliError('notInSync', `Cluster ${cluster} is not in sync after ${timeoutSeconds} s: ${waitingFor}`)
    }
    await context.io.sleep(POLL_MS)
    waitingFor = await whatIsMissing(context, wait)
  }
  progress.clear()
  if (waitingFor === undefined) context.note(`Cluster ${cluster} is in sync`)
}

const whatIsMissing = async (context: CliContext, { mesh, cluster }: Wait): Promise<string | undefined> => {
  const client = context.client()
  try {
    const { connected } = await client.call(getCluster, { params: { mesh, cluster } })
    if (!connected) return 'its agent is not connected'
  } catch (error) {
    if (error instanceof AtollError && error.code === 'not_found') return 'it has not joined yet'
    throw error
  }
  const { revision } = await client.call(getMesh, { params: { mesh } })
  if (revision === 0) return undefined
  const { clusters } = await client.call(getRevisionDelivery, { params: { mesh, revision } })
  const delivery = clusters.find((candidate) => candidate.cluster === cluster)
  if (delivery === undefined) return 'its agent has not reported yet'
  return isInSync(delivery) ? undefined : toLaggardLines(delivery).join('; ')
}
