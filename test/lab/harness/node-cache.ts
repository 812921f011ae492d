import { chmod, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { agentUser } from '#mesh/kubernetes/conventions.ts'
import { run } from '#test/harness/child.ts'
import { labCache, repository } from './paths.ts'

/** Where Node keeps what it has compiled, relative to the checkout. */
const cachePath = '.cache/lab/node'

/** Makes Node in a checkout's folder read what {@link fillNodeCache} has written in another one that has the same files. */
export const toNodeCacheEnvironment = (checkout: string): Record<string, string> => ({
  NODE_COMPILE_CACHE: join(checkout, cachePath),
  NODE_COMPILE_CACHE_PORTABLE: '1',
})

const modules = ['./agent/run-agent.ts', './agent/kubernetes/kubernetes-platform.ts']

/**
 * Compiles the agent once for all pods of its image: that is most of the work of its start, and many start at once. Node compiles what
 * has changed since, and keeps a cache for each user.
 */
export const fillNodeCache = async (): Promise<void> => {
  const folder = join(repository, cachePath)
  await mkdir(folder, { recursive: true })
  await chmod(labCache, 0o755)
  await chmod(folder, 0o777)
  const user = String(agentUser)
  await run({
    name: 'node',
    command: 'setpriv',
    args: [
      `--reuid=${user}`,
      `--regid=${user}`,
      '--clear-groups',
      process.execPath,
      '--eval',
      modules.map((module) => `await import('${module}')`).join('\n'),
    ],
    cwd: repository,
    env: toNodeCacheEnvironment(repository),
  })
}
