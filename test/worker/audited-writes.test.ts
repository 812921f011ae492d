import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import type { AuditEvent } from '#api/schemas/audit.ts'
import type { Cluster } from '#api/schemas/clusters.ts'
import { auditedWrites, writesWithProvider } from './support/audited-writes.ts'
import { connectReporter, grantPublishing, publishedKey, publishersOf, toWish } from './support/test-publishing.ts'
import { createTestMesh, send, SETUP_TOKEN, setUpPlane } from './support/test-plane.ts'
import { joinTestCluster } from './support/test-agent.ts'
import { toRoute, toRule } from './support/test-configuration.ts'
import { newCsr, newKeys } from './support/test-identity.ts'

/** Whatever is one of ours, or looks like one. */
const secretLike = /atoll_[a-z]+_[0-9a-f]{16,32}_|PRIVATE KEY|Bearer /

const items = async (path: string, token: string): Promise<AuditEvent[]> =>
  (await send<{ items: AuditEvent[] }>('GET', `${path}?limit=500`, { token })).body.items

/** Of a token what nobody may see; its random bits may have a "_" themselves. */
const toSecretPart = (secret: string): string => /^atoll_[a-z]+_[0-9a-f]{16}_(.+)$/.exec(secret)?.[1] ?? secret

test('every write leaves an event, of the mesh or of the org, and no secret is in any', async () => {
  const token = await setUpPlane()
  const secrets: string[] = [SETUP_TOKEN, token]
  const done = new Set(['setup'])
  const write = async <Body extends object>(operation: string, answer: Promise<{ status: number; body: Body }>) => {
    const { status, body } = await answer
    expect.soft(status, `${operation} ${JSON.stringify(body)}`).toBeLessThan(300)
    const { secret } = (body ?? {}) as { secret?: string }
    if (secret !== undefined) secrets.push(secret)
    done.add(operation)
    return body
  }
  type Made = { id: string; secret: string }

  const confined = await write(
    'createToken',
    send<Made>('POST', '/v1/tokens', { token, body: { name: 'a', role: 'viewer' } }),
  )
  await write('revokeToken', send('DELETE', `/v1/tokens/${confined.id}`, { token }))

  const person = { email: 'ada@example.com', role: 'viewer' }
  const member = await write('createMember', send<Made>('POST', '/v1/members', { token, body: person }))
  const path = `/v1/members/${member.id}`
  await write('updateMember', send('PATCH', path, { token, body: { role: 'editor' } }))
  await write('removeMember', send('DELETE', path, { token }))

  const mesh = await createTestMesh()
  done.add('createMesh')
  const headers = [{ name: 'authorization', value: 'Basic aHVudGVyMg==' }]
  const opentelemetry = { service: 'collector.example.org', port: 4317, http: { path: '/v1/logs', headers } }
  const meshConfig = { extensionProviders: [{ name: 'logs', opentelemetry }] }
  secrets.push('aHVudGVyMg==')
  await write('updateMesh', mesh.send('PATCH', '', { body: { meshConfig } }))

  const joinToken = await write(
    'createJoinToken',
    mesh.send<Made>('POST', '/join-tokens', { body: { cluster: 'x', network: 'n' } }),
  )
  await write('revokeJoinToken', mesh.send('DELETE', `/join-tokens/${joinToken.id}`))
  const { request } = await joinTestCluster(mesh, 'west', 'net-w')
  done.add('join')
  secrets.push(request.token, request.proof)

  await write('applyConfiguration', mesh.send('POST', '/configuration', { yaml: toRule('reviews', 'v1') }))
  await mesh.send('POST', '/configuration', { yaml: toRoute('reviews', 'v1') })
  await write('deleteConfigurationObject', mesh.send('DELETE', '/configuration/VirtualService/default/reviews'))
  await write('rollBackToRevision', mesh.send('POST', '/revisions/2/rollback'))

  const machine = { role: 'sidecar', namespace: 'a', serviceAccount: 'b', workload: 'c' }
  const machineToken = await write(
    'createMachineToken',
    mesh.send<Made>('POST', '/clusters/west/machine-tokens', { body: machine }),
  )
  await write('revokeMachineToken', mesh.send('DELETE', `/clusters/west/machine-tokens/${machineToken.id}`))

  const csrPem = await newCsr(await newKeys(), { name: 'O=Istio, CN=Intermediate CA' })
  await write('addIssuer', mesh.send('POST', '/trust/issuers', { body: { name: 'istio', clusters: ['west'], csrPem } }))
  await write('removeIssuer', mesh.send('DELETE', '/trust/issuers/istio'))

  await write('createRootRequest', mesh.send('POST', '/trust/root-request'))
  await write('removeRootRequest', mesh.send('DELETE', '/trust/root-request'))
  const rotation = '/trust/rotation'
  await write('startRotation', mesh.send('POST', rotation, { body: { offlineGraceDays: 0 } }))
  await write('pauseRotation', mesh.send('POST', `${rotation}/pause`))
  await write('resumeRotation', mesh.send('POST', `${rotation}/resume`))
  await write('continueRotation', mesh.send('POST', `${rotation}/continue`, { body: { without: 'west' } }))
  await write('rollBackRotation', mesh.send('POST', `${rotation}/rollback`))

  const east = await connectReporter(mesh, 'east')
  const grant = await grantPublishing(mesh)
  done.add('createPublishGrant')
  await east.publish(['a', 'b', 'c', 'd', 'e'].map((name) => toWish({ name })))
  await expect.poll(async () => Object.keys(await publishersOf(mesh)).length, { timeout: 15_000 }).toBe(7)
  await east.publish([toWish()])
  await expect.poll(() => publishersOf(mesh), { timeout: 15_000 }).toHaveProperty([publishedKey])
  const [hold] = (await mesh.send<Cluster>('GET', '/clusters/east')).body.holds
  await write('confirmHold', mesh.send('POST', '/clusters/east/confirm', { body: { hold: hold?.id } }))
  await write('revokePublishGrant', mesh.send('DELETE', `/publish-grants/${grant.id}`))
  await write('evictCluster', mesh.send('DELETE', '/clusters/west'))
  await mesh.send('DELETE', '/clusters/east')

  const ofMesh = await items(`/v1/meshes/${mesh.name}/audit`, token)
  const stored = await runInDurableObject(mesh.stub, async (_instance, { storage }) =>
    storage.sql.exec('SELECT * FROM audit').toArray(),
  )
  await write('deleteMesh', mesh.send('DELETE', ''))
  const ofOrg = await items('/v1/audit', token)

  const audited = Object.keys(auditedWrites).filter(
    (operation) => auditedWrites[operation] !== null && !writesWithProvider.includes(operation),
  )
  expect([...done].toSorted()).toEqual(audited.toSorted())
  const actions = new Set([...ofMesh, ...ofOrg].map(({ action }) => action))
  for (const operation of audited) expect.soft(actions, operation).toContain(auditedWrites[operation])

  const { results } = await env.DB.prepare('SELECT * FROM org_audit').all()
  const text = JSON.stringify([ofMesh, ofOrg, stored, results])
  for (const secret of secrets) expect.soft(text).not.toContain(toSecretPart(secret))
  expect(text).not.toMatch(secretLike)
})
