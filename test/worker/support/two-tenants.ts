import { env } from 'cloudflare:workers'
import type { PathValues } from './route-requests.ts'
import { TestAgent } from './test-agent.ts'
import { toTestEntry } from './test-catalog.ts'
import { createTestMesh, makeToken, send } from './test-plane.ts'
import { signInBrowser } from './test-session.ts'
import { joinTelemetryCluster, sendLogs } from './test-telemetry.ts'

/** In the name of everything that the victim has. */
export const MARK = 'hush'
/** In what no request names: what holds it has come from the victim. */
export const SECRET = 'classified'

const route = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${MARK}-route, namespace: ${MARK} }
spec: { hosts: ['${MARK}.example.org'], http: [{ redirect: { uri: '/${SECRET}' } }] }
`

/** An org with something of everything, and what names each. */
export const createVictim = async () => {
  const mesh = await createTestMesh({ name: `${MARK}-mesh` })
  const cluster = `${MARK}-east`
  const traceId = '5e'.repeat(16)
  const telemetry = await joinTelemetryCluster(mesh, cluster)
  const agent = await TestAgent.connect(telemetry.cluster)
  await agent.claim(1)
  await agent.report([
    toTestEntry({ name: `${MARK}-web`, namespace: MARK, cluster, network: 'net-a', labels: { app: SECRET } }),
  ])
  await sendLogs(telemetry.token, [{ timeUs: Date.now() * 1000, traceId, attributes: { path: `/${SECRET}` } }])
  for (const name of ['route', 'second', 'third'])
    await mesh.send('POST', '/configuration', { yaml: route.replace(`${MARK}-route`, `${MARK}-${name}`) })
  const idOf = async (path: string, body: Record<string, unknown>): Promise<string> => {
    const made = await mesh.send<{ id: string }>('POST', path, { body })
    if (made.status !== 201) throw new Error(`${path}: ${made.status} ${JSON.stringify(made.body)}`)
    return made.body.id
  }
  const makeMember = async () => {
    const body = { email: `${SECRET}@example.com`, role: 'viewer' }
    return (await send<{ id: string }>('POST', '/v1/members', { token: mesh.token, body })).body
  }
  const memberId = (await makeMember()).id
  const machine = { role: 'sidecar', namespace: MARK, serviceAccount: MARK, workload: SECRET }
  return {
    mesh,
    names: {
      mesh: mesh.name,
      cluster,
      namespace: MARK,
      kind: 'VirtualService',
      name: `${MARK}-route`,
      revision: '3',
      hostname: `${MARK}-web.${MARK}.svc.cluster.local`,
      issuer: MARK,
      label: 'destination_service',
      signal: 'logs',
      traceId,
      meshId: mesh.id,
    } satisfies PathValues,
    ids: {
      members: memberId,
      sessions: (await signInBrowser(memberId)).id,
      tokens: (await makeToken({ name: SECRET, role: 'viewer' })).id,
      'join-tokens': await idOf('/join-tokens', { cluster: `${MARK}-west`, network: 'net-a' }),
      'machine-tokens': await idOf(`/clusters/${cluster}/machine-tokens`, machine),
      'publish-grants': await idOf('/publish-grants', { cluster, namespace: MARK, kind: 'VirtualService' }),
    } as const,
  }
}
export type Victim = Awaited<ReturnType<typeof createVictim>>

/** What names something of the victim's in a route's path. */
export const victimValues = ({ names, ids }: Victim, path: string): PathValues => {
  const [, kind] = /\/([^/]+)\/\{id\}/.exec(path) ?? []
  return {
    ...names,
    ...(path.includes('/proxies/') && { name: `sidecar/${MARK}/${MARK}` }),
    ...(kind !== undefined && { id: ids[kind as keyof typeof ids] }),
  }
}

export const RIVAL = 'rival-of-the-tests'

/** A token of another org of the same plane, of somebody who has signed in there; null = of a machine. */
export const makeRivalToken = async (role: string, member: string | null = RIVAL): Promise<string> => {
  await env.DB.prepare('INSERT OR IGNORE INTO orgs (id, name, created_at) VALUES (?1, ?1, 0)').bind(RIVAL).run()
  const { id, secret } = await makeToken({ name: 'rival', role })
  await env.DB.prepare('UPDATE tokens SET org_id = ?1, member_id = ?2 WHERE id = ?3').bind(RIVAL, member, id).run()
  return secret
}
