import { expect, it } from 'vitest'
import { parseDocuments } from '#mesh/parse-documents.ts'
import { toAnalyzedObjects } from './analyzed-objects.ts'
import { findConflicts } from './conflicts.ts'

const apiVersions: Readonly<Record<string, string>> = {
  Service: 'v1',
  Telemetry: 'telemetry.istio.io/v1',
  PeerAuthentication: 'security.istio.io/v1',
}
const object = (kind: string, name: string, spec: string, namespace = 'shop') =>
  `{apiVersion: ${apiVersions[kind] ?? 'networking.istio.io/v1'}, kind: ${kind}, metadata: {name: ${name}, namespace: ${namespace}}, spec: ${spec}}`
const destinationRule = (name: string) => object('DestinationRule', name, '{host: known, subsets: [{name: v1}]}')
const serviceEntry = (name: string, host: string, namespace?: string) =>
  object('ServiceEntry', name, `{hosts: [${host}], ports: [{number: 80, name: http, protocol: HTTP}]}`, namespace)

const [first, second, third] = ['2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z', '2026-01-03T00:00:00Z'] as const

/** What is said of each object, "name path: message". */
const told = (...documents: (readonly [text: string, created?: string])[]) => {
  const parsed = parseDocuments(documents.map(([text]) => text).join('\n---\n'), {
    defaultNamespace: 'shop',
    maxCharacters: 100_000,
    maxObjects: 100,
  })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error))
  const objects = parsed.value.objects.map(({ object: { metadata, ...rest } }, index) => ({
    ...rest,
    metadata: { ...metadata, creationTimestamp: documents[index]?.[1] },
  }))
  return findConflicts(toAnalyzedObjects(objects), { domainSuffix: 'cluster.local', hasHost: () => true }).map(
    ({ object: of, path, message }) => `${of?.name} ${path}: ${message}`,
  )
}

it('says which of several holds, by their age', () => {
  const ofKnown = (name: string) => object('VirtualService', name, '{hosts: [known], http: [{redirect: {uri: /}}]}')
  expect(told([ofKnown('a'), third], [ofKnown('b'), second], [ofKnown('c'), first])).toEqual([
    'a spec.hosts[0]: VirtualService shop/c is for known.shop.svc.cluster.local too: that one, which is older, holds',
    'b spec.hosts[0]: VirtualService shop/c is for known.shop.svc.cluster.local too: that one, which is older, holds',
    'c spec.hosts[0]: VirtualService shop/b is for known.shop.svc.cluster.local too: this one, which is older, holds',
  ])
  const telemetry = (name: string) => object('Telemetry', name, '{selector: {}}')
  expect(
    told([telemetry('a'), first], [telemetry('b'), second], [object('Telemetry', 'c', '{}', 'other'), third]),
  ).toEqual([
    'a spec.selector: Telemetry shop/b is for the whole namespace too: this one, which is older, holds',
    'b spec.selector: Telemetry shop/a is for the whole namespace too: that one, which is older, holds',
  ])
  const peers = (name: string) => object('PeerAuthentication', name, '{mtls: {mode: STRICT}}')
  const some = object('PeerAuthentication', 'c', '{selector: {matchLabels: {app: a}}}')
  expect(told([peers('a'), first], [peers('b'), second], [some, first])).toEqual([
    'a spec.selector: PeerAuthentication shop/b is for the whole namespace too: this one, which is older, holds',
    'b spec.selector: PeerAuthentication shop/a is for the whole namespace too: that one, which is older, holds',
  ])
  const sidecar = (name: string) => object('Sidecar', name, '{egress: [{hosts: ["./*"]}]}')
  expect(told([sidecar('a'), first], [sidecar('b'), first])).toEqual([
    'a spec.workloadSelector: Sidecar shop/b is for the whole namespace too: this one, which is as old and the first by name, holds',
    'b spec.workloadSelector: Sidecar shop/a is for the whole namespace too: that one, which is as old and the first by name, holds',
  ])
})
it('says what of several DestinationRules holds: the oldest policy, and all subsets', () => {
  const policy = (name: string) =>
    object('DestinationRule', name, '{host: known, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}')
  const subsets = destinationRule('a')
  expect(told([subsets, first], [policy('b'), third], [policy('c'), second])).toEqual([
    'a spec.host: DestinationRule shop/c is for known.shop.svc.cluster.local too: they hold as one: put them into one',
    'b spec.host: DestinationRule shop/c is for known.shop.svc.cluster.local too: the trafficPolicy of that one, which is older, holds, and the subsets of both: put them into one',
    'c spec.host: DestinationRule shop/b is for known.shop.svc.cluster.local too: the trafficPolicy of this one, which is older, holds, and the subsets of both: put them into one',
  ])
  expect(told([subsets, second], [destinationRule('b'), first])).toContain(
    'a spec.subsets[0].name: DestinationRule shop/b has a subset "v1" too: that one, which is older, holds',
  )
})
it('lets DestinationRules be that are for different clients', () => {
  const ruleFor = (name: string, app: string) =>
    object(
      'DestinationRule',
      name,
      `{host: known, subsets: [{name: v1}], workloadSelector: {matchLabels: {app: ${app}}}}`,
    )
  expect(told([destinationRule('a')], [ruleFor('b', 'one')], [ruleFor('c', 'two')])).toEqual([])
  expect(told([ruleFor('b', 'one')], [ruleFor('c', 'one')])).toHaveLength(4)
})
it('says that a Service holds before ServiceEntries, and which namespace’s host a client sees', () => {
  expect(
    told(
      [object('Service', 'known', '{ports: [{port: 80}], selector: {app: a}}'), second],
      [serviceEntry('known', 'known.shop.svc.cluster.local'), first],
    ),
  ).toEqual([
    'known metadata.name: ServiceEntry shop/known is for known.shop.svc.cluster.local too: they are one, as the Service says it, with the ports of both',
    'known spec.hosts[0]: Service shop/known is for known.shop.svc.cluster.local too: they are one, as the Service says it, with the ports of both',
  ])
  expect(told([serviceEntry('a', 'a.org', 'one'), first], [serviceEntry('b', 'a.org', 'two'), second])[0]).toBe(
    "a spec.hosts[0]: ServiceEntry two/b is for a.org too: a client sees its own namespace's, or the first by namespace",
  )
})
