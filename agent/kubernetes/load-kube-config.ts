import { KubeConfig } from '@kubernetes/client-node'
import { AgentError } from '#agent/agent-error.ts'

/** How the API server is reached: by a file, or as any pod does. Throws AgentError `bad_config`. */
export const loadKubeConfig = (file: string | undefined): KubeConfig => {
  const config = new KubeConfig()
  try {
    if (file === undefined) config.loadFromCluster()
    else config.loadFromFile(file)
  } catch (error) {
    const source = file ?? 'the service account of this pod'
    throw new AgentError('bad_config', `${source} is no way to a Kubernetes API server`, { cause: error })
  }
  if (!config.getCurrentCluster())
    throw new AgentError('bad_config', `${file ?? 'the environment of this pod'} names no cluster`)
  return config
}
