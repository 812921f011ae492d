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
  /** How far an agent is that is not connected, if that is known. */
  readonly readiness?: () => Promise<string | undefined>
  /** Why it takes long, if there is something to say. */
  readonly explain?: () => Promise<readonly string[]>
}

/** What a cluster still lacks, and which proxies it is about. */
interface Missing {
  readonly text: string
  readonly details: readonly string[]
}

/** Waits until a cluster's agent is connected and all of its proxies have the newest revision. False when the agent ended before that. */
export const waitForCluster = async (context: CliContext, wait: Wait): Promise<boolean> => {
  const { cluster, timeoutSeconds, signal, explain = async () => [] } = wait
  const progress = new Progress(context.io.stderr)
  const deadline = context.io.now() + timeoutSeconds * 1000
  let missing = await whatIsMissing(context, wait)
  while (missing !== undefined && !signal.aborted) {
    const { text, details } = missing
    progress.step(`waiting for cluster ${cluster}: ${text}`, [...details, ...(await explain())])
    if (context.io.now() >= deadline) {
      progress.clear()
      const all = [text, ...details].join('; ')
      throw new CliError('notInSync', `Cluster ${cluster} is not in sync after ${timeoutSeconds} s: ${all}`)
    }
    await context.io.sleep(POLL_MS)
    missing = await whatIsMissing(context, wait)
  }
  progress.clear()
  return missing === undefined
}

const whatIsMissing = async (
  context: CliContext,
  { mesh, cluster, readiness = async () => undefined }: Wait,
): Promise<Missing | undefined> => {
  const client = context.client()
  const toMissing = async (text: string): Promise<Missing> => {
    const ready = await readiness()
    return { text: ready === undefined ? text : `${text}, ${ready}`, details: [] }
  }
  try {
    const { connected } = await client.call(getCluster, { params: { mesh, cluster } })
    if (!connected) return await toMissing('its agent is not connected')
  } catch (error) {
    if (error instanceof AtollError && error.code === 'not_found') return toMissing('it has not joined yet')
    throw error
  }
  const { revision } = await client.call(getMesh, { params: { mesh } })
  if (revision === 0) return undefined
  const { clusters } = await client.call(getRevisionDelivery, { params: { mesh, revision } })
  const delivery = clusters.find((candidate) => candidate.cluster === cluster)
  if (delivery === undefined) return { text: 'its agent has joined and has not reported yet', details: [] }
  if (isInSync(delivery)) return undefined
  const { live, proxies } = delivery
  return {
    text: `its agent has joined, ${live} of ${proxies} proxies are in sync`,
    details: toLaggardLines(delivery),
  }
}
