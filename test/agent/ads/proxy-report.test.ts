import { afterEach, beforeEach, expect, test } from 'vitest'
import { ClusterSchema } from '#envoy/envoy/config/cluster/v3/cluster_pb.ts'
import { createNobody } from '#agent/identity/nobody.ts'
import { buildIdentitySecret, buildTrustSecrets } from '#agent/identity/secret-resources.ts'
import { issueLeaf, toAgentNames } from '#agent/identity/issue-leaf.ts'
import { proxyConfig, proxyStatus } from '#mesh/uplink.ts'
import { encode } from '#xds/build/encode.ts'
import { typeUrls } from '#xds/type-url.ts'
import { createIntermediate, domain, east, TestRoot } from '../test-pki.ts'
import { AdsFixture, put } from './ads-fixture.ts'

let ads: AdsFixture
beforeEach(async () => {
  ads = await AdsFixture.start()
})
afterEach(() => ads.stop())

test('a proxy’s status says what it is, what it has, and what it waits for', async () => {
  ads.shared.apply([put(typeUrls.cluster, 'a'), put(typeUrls.cluster, 'b'), put(typeUrls.listener, 'l')])
  ads.server.compiled(7)
  const proxy = ads.delta()
  proxy.send(typeUrls.cluster, {
    resourceNamesSubscribe: ['*'],
    node: {
      id: 'x',
      userAgentVersionType: {
        case: 'userAgentBuildVersion',
        value: { version: { majorNumber: 1, minorNumber: 40, patch: 0 } },
      },
    },
  })
  await proxy.take(typeUrls.cluster)
  proxy.subscribe(typeUrls.listener, '*')
  const listeners = await proxy.next(typeUrls.listener)
  const [pending] = ads.server.proxies()
  expect(proxyStatus.parse(pending)).toMatchObject({
    name: 'sidecar/default/w',
    cluster: 'east',
    replica: 'r1',
    envoyVersion: '1.40.0',
    revision: 0,
    synced: false,
    types: [
      { typeUrl: typeUrls.cluster, resources: 2, state: 'synced' },
      { typeUrl: typeUrls.listener, resources: 1, state: 'pending' },
    ],
  })
  proxy.ack(listeners)
  await ads.until(() => ads.server.proxies()[0]?.synced === true)
  expect(ads.server.proxies()).toMatchObject([{ revision: 7, nacks: [] }])
  ads.shared.apply([put(typeUrls.cluster, 'a', 'bad')])
  ads.server.compiled(8)
  proxy.nack(await proxy.next(typeUrls.cluster), 'bad name')
  await proxy.take(typeUrls.cluster)
  await proxy.untilHeard()
  expect(ads.server.proxies()).toMatchObject([
    {
      revision: 7,
      synced: false,
      types: [{ state: 'nacked' }, {}, {}],
      nacks: [{ resources: ['a'], reason: 'bad name', revision: 8 }],
    },
  ])
})

test('a proxy’s configuration can be read, its keys can not', async () => {
  const root = await TestRoot.create(Date.now())
  const intermediate = await createIntermediate(root, east)
  const leaf = await issueLeaf(intermediate, toAgentNames(east, domain), Date.now())
  const cluster = encode(typeUrls.cluster, ClusterSchema, 'c', { name: 'c' })
  ads.change(
    { ...cluster, name: 'c' },
    buildIdentitySecret(leaf),
    ...buildTrustSecrets([{ cluster: east, certificate: intermediate.certificate }], domain, await createNobody()),
  )
  const proxy = ads.delta()
  proxy.subscribe(typeUrls.cluster, '*')
  await proxy.take(typeUrls.cluster)
  proxy.subscribe(typeUrls.secret, 'default', 'trust')
  await proxy.take(typeUrls.secret)
  const config = proxyConfig.parse(ads.server.proxyConfig('sidecar/default/w'))
  expect(config.resources.map(({ name }) => name)).toEqual(['c', 'default', 'trust'])
  expect(config.resources[0]?.body).toEqual({ name: 'c' })
  expect(config.resources[1]?.body).toEqual({
    name: 'default',
    tls_certificate: {
      certificate_chain: { inline_string: leaf.chainPem },
      private_key: { inline_string: '[redacted]' },
    },
  })
  expect(JSON.stringify(config)).not.toContain(leaf.privateKeyPem.split('\n')[1])
  expect(ads.server.proxyConfig('sidecar/default/stranger')).toBeUndefined()
})
