import { z } from 'zod'
import { agentName, systemNamespace } from '#mesh/kubernetes/conventions.ts'
import type { CliIo } from '../cli-io.ts'
import { CliError } from '../cli-error.ts'
import { Progress } from '../output/progress.ts'
import type { FoundObject, KubernetesApi } from './kubernetes-api.ts'
import { toObjectText } from './kubernetes-object.ts'
import type { ObjectReference } from './kubernetes-object.ts'

const POLL_MS = 500

const agentDeployment: ObjectReference = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: agentName, namespace: systemNamespace },
}

const deployment = z.object({
  metadata: z.object({ generation: z.int().default(0) }),
  spec: z.object({ replicas: z.int().default(1) }),
  status: z
    .object({
      observedGeneration: z.int().default(0),
      replicas: z.int().default(0),
      updatedReplicas: z.int().default(0),
      availableReplicas: z.int().default(0),
    })
    .prefault({}),
})

/**
 * Waits until new replicas of the agent have taken over: while they come, the older ones keep the cluster connected and in sync. `explain`: why
 * it takes long, if there is something to say.
 */
export const waitForRollout = async (
  { io }: { readonly io: Pick<CliIo, 'stderr' | 'now' | 'sleep'> },
  api: Pick<KubernetesApi, 'find'>,
  timeoutSeconds: number,
  explain: () => Promise<readonly string[]>,
): Promise<void> => {
  const progress = new Progress(io.stderr)
  const deadline = io.now() + timeoutSeconds * 1000
  const name = toObjectText(agentDeployment)
  for (let waitingFor = await ask(api); waitingFor !== undefined; waitingFor = await ask(api)) {
    progress.step(`waiting for ${name}: ${waitingFor}`, await explain())
    if (io.now() >= deadline) {
      progress.clear()
      throw new CliError('notInSync', `${name} is not rolled out after ${timeoutSeconds} s: ${waitingFor}`)
    }
    await io.sleep(POLL_MS)
  }
  progress.clear()
}

const ask = async (api: Pick<KubernetesApi, 'find'>): Promise<string | undefined> => {
  const found = await api.find(agentDeployment)
  return found === undefined ? 'it is gone' : whatRolloutWaitsFor(found)
}

/** How far the agent of a cluster that joins is; undefined when it is not known. */
export const findAgentReadiness = async (api: Pick<KubernetesApi, 'find'>): Promise<string | undefined> => {
  try {
    const { spec, status } = deployment.parse(await api.find(agentDeployment))
    return `${status.availableReplicas} of ${spec.replicas} replicas of its agent are ready`
  } catch {
    return undefined
  }
}

/** What a Deployment's rollout still waits for; undefined when it is done. As `kubectl rollout status` judges it. */
export const whatRolloutWaitsFor = (object: FoundObject): string | undefined => {
  const { metadata, spec, status } = deployment.parse(object)
  if (status.observedGeneration < metadata.generation) return 'the change has not been seen yet'
  if (status.updatedReplicas < spec.replicas) return `${status.updatedReplicas} of ${spec.replicas} replicas are new`
  if (status.replicas > status.updatedReplicas)
    return `${status.replicas - status.updatedReplicas} old replicas are still there`
  if (status.availableReplicas < status.updatedReplicas)
    return `${status.availableReplicas} of ${status.updatedReplicas} new replicas are available`
  return undefined
}
