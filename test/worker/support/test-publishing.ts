import { expect } from 'vitest'
import type { StoredObject } from '#api/schemas/configuration.ts'
import type { PublishGrant } from '#api/schemas/publish-grants.ts'
import type { Revision } from '#api/schemas/revisions.ts'
import type { ConfigObject } from '#mesh/config-object.ts'
import { joinTestCluster, TestAgent } from './test-agent.ts'
import type { HelloChanges } from './test-agent.ts'
import type { TestMesh } from './test-plane.ts'

interface Wish {
  readonly kind?: string
  readonly name?: string
  readonly namespace?: string
  readonly annotations?: Readonly<Record<string, string>>
  readonly spec?: Record<string, unknown>
  readonly timeout?: string
}

/** A VirtualService of a cluster's own that asks to be published, but for what is said otherwise. */
export const toWish = ({
  kind = 'VirtualService',
  name = 'reviews',
  namespace = 'shop',
  ...rest
}: Wish = {}): ConfigObject => ({
  apiVersion: 'networking.istio.io/v1',
  kind,
  metadata: { name, namespace, annotations: { 'atoll.dev/publish': 'mesh', ...rest.annotations } },
  spec: rest.spec ?? {
    hosts: [`${name}.${namespace}.svc.cluster.local`],
    http: [
      { timeout: rest.timeout ?? '1s', route: [{ destination: { host: `${name}.${namespace}.svc.cluster.local` } }] },
    ],
  },
})

export const toWishes = (count: number) => Array.from({ length: count }, (_, index) => toWish({ name: `s${index}` }))

export const toRule = (subset: string): ConfigObject =>
  toWish({
    kind: 'DestinationRule',
    spec: { host: 'reviews.shop.svc.cluster.local', subsets: [{ name: subset, labels: { version: subset } }] },
  })

export const toSubsetRoute = (subset: string): ConfigObject =>
  toWish({
    spec: {
      hosts: ['reviews.shop.svc.cluster.local'],
      http: [{ route: [{ destination: { host: 'reviews.shop.svc.cluster.local', subset } }] }],
    },
  })

export const publishedKey = 'VirtualService/shop/reviews'

export const grantPublishing = async (mesh: TestMesh, cluster = 'east', namespace = 'shop', kind = 'VirtualService') =>
  (await mesh.send<PublishGrant>('POST', '/publish-grants', { body: { cluster, namespace, kind } })).body

/** A cluster's reporter. */
export const connectReporter = async (mesh: TestMesh, name: string, hello: HelloChanges = {}) => {
  const agent = await TestAgent.connect(await joinTestCluster(mesh, name, `net-${name}`), hello)
  await agent.claim(1)
  return agent
}

export const told = (agent: TestAgent) => expect.poll(() => agent.publications(), { timeout: 15_000 })

export const revisionsOf = async (mesh: TestMesh): Promise<readonly Revision[]> =>
  (await mesh.send<{ items: Revision[] }>('GET', '/revisions')).body.items

export const publishersOf = async (mesh: TestMesh): Promise<Record<string, string | null | undefined>> =>
  Object.fromEntries(
    (await mesh.send<{ items: StoredObject[] }>('GET', '/configuration')).body.items.map((each) => [
      each.key,
      each.publishedBy,
    ]),
  )
