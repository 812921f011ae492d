import { expect, test } from 'vitest'
import { customTagPrefix, metricTags, toMetricLabels } from './metric-tags.ts'
import { verifiedByMesh, type Party } from './party.ts'

const own: Party = {
  workload: 'front',
  namespace: 'shop',
  cluster: 'east',
  principal: 'spiffe://mesh.example/ns/shop/sa/front',
  canonicalService: 'front',
  canonicalRevision: 'latest',
  app: 'front',
  version: 'unknown',
}
const peer = {
  [metricTags.peerSubject]: 'OU=version:v2,OU=app:reviews,OU=revision:v2,OU=service:reviews,OU=workload:reviews-v2',
  [metricTags.peerUriNames]: 'spiffe://mesh.example/ns/books/sa/reviews',
  [metricTags.peerDnsNames]: 'reviews.books.west.clusters.mesh.example',
}
/** As the one that calls it tells of it. */
const server = { ...peer, [metricTags.peerUriNames]: `${verifiedByMesh}|${peer[metricTags.peerUriNames]}` }
const label = (tags: Readonly<Record<string, string>>) =>
  Object.fromEntries(toMetricLabels(new Map(Object.entries(tags)), own))

test.each([
  [
    'a call to a workload of another cluster, at its caller',
    {
      ...server,
      reporter: 'source',
      protocol: 'http',
      service: 'books/reviews.books.svc.cluster.local',
      code: '200',
      flags: '-',
      grpc: '-',
    },
    {
      reporter: 'source',
      source_workload: 'front',
      source_principal: own.principal,
      source_cluster: 'east',
      destination_workload: 'reviews-v2',
      destination_workload_namespace: 'books',
      destination_cluster: 'west',
      destination_principal: 'spiffe://mesh.example/ns/books/sa/reviews',
      destination_canonical_revision: 'v2',
      destination_service: 'reviews.books.svc.cluster.local',
      destination_service_name: 'reviews',
      destination_service_namespace: 'books',
      response_code: '200',
      grpc_response_status: '',
      connection_security_policy: 'unknown',
    },
  ],
  [
    'the same at the one that is called',
    { ...peer, reporter: 'destination', protocol: 'grpc', service: 'shop/front.shop.svc.cluster.local', grpc: '5' },
    {
      source_workload: 'reviews-v2',
      destination_workload: 'front',
      destination_principal: own.principal,
      grpc_response_status: '5',
      connection_security_policy: 'mutual_tls',
    },
  ],
  [
    'plaintext from nobody known',
    { reporter: 'destination', protocol: 'tcp', service: '-' },
    {
      source_workload: 'unknown',
      source_principal: 'unknown',
      source_cluster: 'unknown',
      destination_principal: 'unknown',
      destination_service: 'unknown',
      connection_security_policy: 'none',
    },
  ],
  [
    'somebody of another trust domain',
    {
      ...peer,
      uris: `${verifiedByMesh}|spiffe://evil.example/ns/books/sa/reviews`,
      names: 'a.b.west.clusters.evil.example',
      reporter: 'source',
      protocol: 'http',
    },
    { source_principal: 'unknown', destination_workload: 'unknown', destination_cluster: 'unknown' },
  ],
  [
    'a server whose word nobody has verified',
    { ...peer, uris: `-${peer.uris}`, reporter: 'source', protocol: 'http' },
    { source_principal: 'unknown', destination_workload: 'unknown', destination_principal: 'unknown' },
  ],
  [
    'a server that says itself that it is verified',
    { ...peer, uris: `|${verifiedByMesh}|${peer.uris}`, reporter: 'source', protocol: 'http' },
    { source_principal: 'unknown', destination_workload: 'unknown', destination_principal: 'unknown' },
  ],
  [
    'somebody of an external issuer, whose clusters are none',
    { ...peer, names: '-', reporter: 'destination', protocol: 'http' },
    { source_principal: peer.uris, source_workload: 'unknown', source_cluster: 'unknown' },
  ],
  [
    'a host outside of the mesh',
    { reporter: 'source', protocol: 'tcp', service: 'egress/api.example.com' },
    {
      destination_service: 'api.example.com',
      destination_service_name: 'api.example.com',
      destination_service_namespace: 'egress',
    },
  ],
  [
    'what the mesh does not know',
    { reporter: 'source', protocol: 'tcp', service: 'PassthroughCluster' },
    { destination_service: 'unknown', destination_service_name: 'PassthroughCluster' },
  ],
])('labels of %s', (_, tags, expected) => {
  expect(label(tags)).toMatchObject(expected)
})

test('TCP has no codes, a label that is not wanted is left out, a custom tag is a label, also in the place of a standard one', () => {
  const labels = label({
    reporter: 'source',
    protocol: 'tcp',
    without: 'source_principal,response_flags',
    [`${customTagPrefix}tenant`]: 'a',
    [`${customTagPrefix}request_protocol`]: 'mysql',
  })
  expect(labels).toMatchObject({ tenant: 'a', request_protocol: 'mysql' })
  expect(Object.keys(labels)).toEqual(Object.keys(labels).toSorted())
  for (const absent of ['response_code', 'grpc_response_status', 'source_principal', 'response_flags'])
    expect(labels).not.toHaveProperty(absent)
})
