import { join } from 'node:path'
import { isFields } from '#mesh/is-fields.ts'
import { ProfileStore } from '#cli/profile-store.ts'
import type { World } from '#test/harness/world.ts'

const paths = [
  '/v1/whoami',
  '/v1/tokens',
  '/v1/audit',
  '/v1/meshes',
  '/v1/meshes/demo',
  '/v1/meshes/demo/clusters',
  '/v1/meshes/demo/clusters/east',
  '/v1/meshes/demo/join-tokens',
  '/v1/meshes/demo/clusters/east/machine-tokens',
  '/v1/meshes/demo/configuration',
  '/v1/meshes/demo/configuration/VirtualService/default/reviews',
  '/v1/meshes/demo/revisions',
  '/v1/meshes/demo/revisions/1',
  '/v1/meshes/demo/revisions/2',
  '/v1/meshes/demo/revisions/2/diff?against=1',
  '/v1/meshes/demo/services',
  '/v1/meshes/demo/services/default/reviews.default.svc.cluster.local',
  '/v1/meshes/demo/trust',
  '/v1/meshes/demo/trust/certificates',
  '/v1/meshes/demo/audit',
]

/** What a newer plane writes into the audit log when it first sees what an older one has written. */
const isOfUpgrade = (item: unknown): boolean =>
  isFields(item) && ['audit.chain', 'audit.key'].includes(String(item['action']))

/** What goes on by itself: sessions, and when something was last seen. */
const passing = new Set(['connected', 'lastSeenAt', 'lastUsedAt', 'replicas', 'probes'])

/** What a plane's API says of the org and its mesh, by path, without what changes by itself. Throws when it refuses to say. */
export const readEverything = async (world: World): Promise<Record<string, unknown>> => {
  const { profile } = new ProfileStore({ XDG_CONFIG_HOME: join(world.directory, 'config') }).find(undefined)
  const answers: Record<string, unknown> = {}
  for (const path of paths) {
    const headers = { authorization: `Bearer ${profile?.token}` }
    const response = await fetch(`${world.url}${path}`, { headers })
    const text = await response.text()
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`)
    answers[path] = JSON.parse(text, (key, value: unknown) => {
      if (passing.has(key)) return undefined
      return Array.isArray(value) ? value.filter((item) => !isOfUpgrade(item)) : value
    })
  }
  return answers
}
