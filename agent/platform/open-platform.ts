import type { Clock } from '#agent/clock.ts'
import type { AgentConfig } from '#agent/config.ts'
import type { DataDirectory } from '#agent/data-directory.ts'
import type { Log } from '#agent/log.ts'
import type { ClusterPlatform } from './cluster-platform.ts'
import { toUniversalPlatform } from './universal-platform.ts'

export interface PlatformOptions {
  readonly registry: AgentConfig['registry']
  readonly data: DataDirectory
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  readonly log: Log
}

/** The platform that the configuration names. Throws AgentError `bad_config` when there is no way to it. */
export const openPlatform = async (options: PlatformOptions): Promise<ClusterPlatform> => {
  const { registry, ...parts } = options
  if (registry.kind === 'directory')
    return toUniversalPlatform({ ...parts, directory: registry.directory, secrets: registry.secrets })
  // Its client is large: agents on machines do without.
  const { openKubernetesPlatform } = await import('#agent/kubernetes/kubernetes-platform.ts')
  return openKubernetesPlatform({ ...parts, ...registry })
}
