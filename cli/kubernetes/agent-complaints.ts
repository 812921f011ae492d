import { z } from 'zod'
import { agentName, systemNamespace } from '#mesh/kubernetes/conventions.ts'
import { parseJson } from '#mesh/parse-json.ts'
import type { KubernetesApi } from './kubernetes-api.ts'

const TAIL_LINES = 200
const MAX_PODS = 5

const complaint = z.object({
  level: z.enum(['warn', 'error', 'fatal']),
  msg: z.string(),
  reason: z.string().optional(),
  err: z.object({ message: z.string() }).optional(),
})

/** What the replicas of the agent complained of last, each of it once. Nothing where their logs can't be read. */
export const findAgentComplaints = async (
  api: Pick<KubernetesApi, 'list' | 'readText'>,
): Promise<readonly string[]> => {
  try {
    const pods = await api.list(
      { group: '', version: 'v1', resource: 'pods' },
      { labelSelector: `app.kubernetes.io/name=${agentName}` },
      { namespace: systemNamespace },
    )
    const found = await Promise.all(pods.slice(0, MAX_PODS).map(({ metadata }) => readComplaint(api, metadata.name)))
    return [...new Set(found.filter((text) => text !== undefined))]
  } catch {
    return []
  }
}

/** A replica that was just started anew may have said nothing yet: then the run before it tells. */
const readComplaint = async (api: Pick<KubernetesApi, 'readText'>, pod: string): Promise<string | undefined> => {
  for (const previous of [false, true]) {
    const query = new URLSearchParams({ tailLines: String(TAIL_LINES), previous: String(previous) })
    const path = `/api/v1/namespaces/${systemNamespace}/pods/${pod}/log?${query.toString()}`
    const found = toLastComplaint(await api.readText(path).catch(() => ''))
    if (found !== undefined) return found
  }
  return undefined
}

/** The last warning or error in a log of the agent's: a JSON object a line. */
export const toLastComplaint = (log: string): string | undefined => {
  const complaints = log.split('\n').flatMap((line) => complaint.safeParse(parseJson(line)).data ?? [])
  const last = complaints.at(-1)
  if (last === undefined) return undefined
  const { msg, reason = last.err?.message } = last
  return reason === undefined ? msg : `${msg}: ${reason}`
}
