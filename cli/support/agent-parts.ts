import { z } from 'zod'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import type { Part } from './part.ts'
import { toFileName } from './support-bundle.ts'
import type { SupportBundle } from './support-bundle.ts'

/** What is looked at in /readyz; the whole answer is kept. */
const readiness = z.looseObject({
  ready: z.boolean(),
  reason: z.string().optional(),
  registry: z.object({ synced: z.boolean(), problems: z.number() }).optional(),
  plane: z
    .looseObject({ live: z.boolean(), dataAsOf: z.string().nullable(), lastFailure: z.string().optional() })
    .optional(),
  identity: z.looseObject({ intermediate: z.string() }).optional(),
})

/** Keeps what one replica of an agent says of itself. `read` gets a path. */
export const addAgentStatus = async (
  bundle: SupportBundle,
  folder: string,
  name: string,
  read: (path: string) => Promise<string>,
): Promise<void> => {
  await bundle.attempt(`${folder}readyz.json`, async () => {
    const answer: unknown = JSON.parse(await read('/readyz'))
    bundle.add(`${folder}readyz.json`, answer)
    for (const finding of judgeReadiness(name, answer)) bundle.find(finding)
  })
  await bundle.attempt(`${folder}metrics.txt`, async () => bundle.add(`${folder}metrics.txt`, await read('/metrics')))
}

const judgeReadiness = (name: string, answer: unknown): string[] => {
  const { data } = readiness.safeParse(answer)
  if (data === undefined) return [`agent ${name}: /readyz is not understood`]
  const { ready, reason, registry, plane, identity } = data
  return [
    ...(ready ? [] : [`agent ${name}: not ready${reason === undefined ? '' : `: ${reason}`}`]),
    ...(registry?.synced === false ? [`agent ${name}: it has not read its registry`] : []),
    ...((registry?.problems ?? 0) > 0
      ? [`agent ${name}: ${registry?.problems} problems of objects; its log names them`]
      : []),
    ...(plane?.live === false
      ? [
          `agent ${name}: not in step with the plane, data as of ${plane.dataAsOf ?? 'never'}${plane.lastFailure === undefined ? '' : `: ${plane.lastFailure}`}`,
        ]
      : []),
    ...(identity !== undefined && identity.intermediate !== 'valid'
      ? [`agent ${name}: its intermediate is ${identity.intermediate}`]
      : []),
  ]
}

/** Agents outside Kubernetes, by where they serve health and metrics ("host:port"). */
export const toAgentParts = (
  context: CliContext,
  bundle: SupportBundle,
  addresses: readonly string[],
): readonly Part[] =>
  addresses.map((address) => {
    const folder = `agents/${toFileName(address)}/`
    return {
      file: folder,
      what: `/readyz and /metrics of the agent at ${address}`,
      collect: () => addAgentStatus(bundle, folder, address, (path) => readFrom(context, `http://${address}${path}`)),
    }
  })

const readFrom = async (context: CliContext, url: string): Promise<string> => {
  const answer = await context.io.fetch(url, { method: 'GET', headers: {} })
  // 503 is an agent that is not ready, and says why.
  if (answer.status !== 200 && answer.status !== 503)
    throw new CliError('failed', `${url} answers HTTP ${answer.status}`)
  return answer.text()
}
