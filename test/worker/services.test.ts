import { describe, expect, test } from 'vitest'
import type { ServiceDetail, ServiceSummary } from '#api/schemas/services.ts'
import { joinTestCluster, TestAgent } from './support/test-agent.ts'
import { toTestEntry } from './support/test-catalog.ts'
import { createTestMesh } from './support/test-plane.ts'

describe('services', () => {
  test('are merged over the clusters that offer them', async () => {
    const mesh = await createTestMesh()
    const east = await TestAgent.connect(await joinTestCluster(mesh, 'east', 'net-a'))
    const west = await TestAgent.connect(await joinTestCluster(mesh, 'west', 'net-b'))
    await east.claim(1)
    await west.claim(1)
    await east.report([
      toTestEntry({ cluster: 'east', network: 'net-a', name: 'reviews', endpoints: 2 }),
      toTestEntry({ cluster: 'east', network: 'net-a', name: 'ratings', namespace: 'other' }),
    ])
    await west.report([
      toTestEntry({ cluster: 'west', network: 'net-b', name: 'reviews', endpoint: { health: 'unhealthy' } }),
    ])

    const { body } = await mesh.send<{ items: ServiceSummary[] }>('GET', '/services')
    expect(
      body.items.map(({ key, clusters }) => [
        key,
        clusters.map(({ cluster, endpoints, healthy }) => [cluster, endpoints, healthy]),
      ]),
    ).toEqual([
      [
        'default/reviews.default.svc.cluster.local',
        [
          ['east', 2, 2],
          ['west', 1, 0],
        ],
      ],
      ['other/ratings.other.svc.cluster.local', [['east', 1, 1]]],
    ])
    const named = await mesh.send<{ items: ServiceSummary[] }>('GET', '/services?namespace=default&cluster=west')
    expect(named.body.items.map(({ hostname }) => hostname)).toEqual(['reviews.default.svc.cluster.local'])
    const detail = await mesh.send<ServiceDetail>('GET', '/services/default/reviews.default.svc.cluster.local')
    expect(detail.body.endpoints.map(({ cluster, id }) => [cluster, id])).toEqual([
      ['east', 'reviews-0'],
      ['east', 'reviews-1'],
      ['west', 'reviews-0'],
    ])
    expect((await mesh.send('GET', '/services/default/nothing.example')).status).toBe(404)
  })

  test('tell where their clusters say different things of them, but of those that each cluster has for itself', async () => {
    const mesh = await createTestMesh()
    const toEntry = (cluster: string, name: string, namespace: string, number: number) => {
      const entry = toTestEntry({ cluster, network: 'net-a', name, namespace })
      return { ...entry, service: { ...entry.service, ports: [{ name: 'http', number, protocol: 'http' as const }] } }
    }
    for (const [cluster, number] of [
      ['east', 80],
      ['west', 8080],
    ] as const) {
      const agent = await TestAgent.connect(await joinTestCluster(mesh, cluster, 'net-a'))
      await agent.claim(1)
      await agent.report([
        toEntry(cluster, 'reviews', 'default', number),
        toEntry(cluster, 'ratings', 'default', 80),
        toEntry(cluster, 'kube-dns', 'kube-system', number),
      ])
    }
    const { body } = await mesh.send<{ items: ServiceSummary[] }>('GET', '/services')
    const told = body.items.flatMap(({ drift = [] }) =>
      drift.map(({ object, message }) => `${object?.name} ${message}`),
    )
    expect(told.map((text) => text.split(':')[0])).toEqual([
      'reviews port 80 is http "http" in east; absent in west',
      'reviews port 8080 is absent in east; http "http" in west',
    ])
    const detail = await mesh.send<ServiceDetail>('GET', '/services/default/reviews.default.svc.cluster.local')
    expect(detail.body.drift).toHaveLength(2)
  })

  test('that a cluster offers are known to whoever writes a route to them', async () => {
    const mesh = await createTestMesh()
    const route = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: reviews, namespace: default }
spec:
  hosts: [reviews]
  http: [{ route: [{ destination: { host: reviews } }] }]
`
    const warnings = async () => {
      const { body } = await mesh.send<{ problems: unknown[] }>('POST', '/configuration?dryRun=true', { yaml: route })
      return body.problems
    }
    expect(await warnings()).toMatchObject([{ code: 'dangling_reference', severity: 'warning' }])
    const east = await TestAgent.connect(await joinTestCluster(mesh, 'east', 'net-a'))
    await east.claim(1)
    await east.report([toTestEntry({ cluster: 'east', network: 'net-a', name: 'reviews' })])
    expect(await warnings()).toEqual([])
  })

  test('that are other names of services say so, also to whoever writes a rule for one', async () => {
    const mesh = await createTestMesh()
    const east = await TestAgent.connect(await joinTestCluster(mesh, 'east', 'net-a'))
    await east.claim(1)
    const { service } = toTestEntry({ cluster: 'east', network: 'net-a', name: 'same' })
    const aliasOf = 'reviews.default.svc.cluster.local'
    await east.report([
      toTestEntry({ cluster: 'east', network: 'net-a', name: 'reviews' }),
      { service: { ...service, resolution: 'dns', location: 'mesh-external', aliasOf }, endpoints: [] },
    ])
    const { body } = await mesh.send<{ items: ServiceSummary[] }>('GET', '/services')
    expect(body.items.map((each) => each.aliasOf)).toEqual([undefined, aliasOf])
    const rule = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: same, namespace: default }
spec: { host: same }
`
    const written = await mesh.send('POST', '/configuration?dryRun=true', { yaml: rule })
    expect(written.body).toMatchObject({ problems: [{ code: 'ineffective', severity: 'warning', path: 'spec.host' }] })
  })
})
