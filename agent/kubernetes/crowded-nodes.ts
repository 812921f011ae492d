import { readFileSync } from 'node:fs'
import type { KnownPod } from '#agent/registry/kubernetes/pod-directory.ts'
import { inotifyInstances } from '#xds/bootstrap.ts'

const limitFile = '/proc/sys/fs/inotify/max_user_instances'
const crowdedShare = 0.8

/** What the kernel of this agent's node allows one user; undefined = it does not tell. */
export const readInotifyLimit = (): number | undefined => {
  try {
    return Number.parseInt(readFileSync(limitFile, 'utf8'), 10)
  } catch {
    return undefined
  }
}

/**
 * Nodes where proxies have used up most of what the kernel allows their user, a line each: one more than it allows ends at its start. The
 * API server does not tell a node's limit. So all are taken to be as the agent's own, and a node is told of once, not at each pod.
 */
export const findCrowdedNodes = (pods: Iterable<KnownPod>, limit: number | undefined): readonly string[] => {
  if (limit === undefined) return []
  const room = Math.floor(limit / inotifyInstances)
  const proxies = new Map<string, number>()
  for (const { node, injected, proxyStarted } of pods)
    if ((injected || proxyStarted) && node !== '') proxies.set(node, (proxies.get(node) ?? 0) + 1)
  return [...proxies]
    .filter(([, count]) => count > room * crowdedShare)
    .map(
      ([node]) =>
        `Node/${node}: it has more than ${crowdedShare * 100} % of the ${room} pods with a proxy that fs.inotify.max_user_instances=${limit} has room for (the agent's own node has that value); raise it with sysctl on the nodes, or proxies will end at their start`,
    )
}
