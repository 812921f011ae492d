import { expect, test } from 'vitest'
import { findStyleProblems } from './style.ts'
import { suppressAnnotation, withoutSuppressed } from './suppressed.ts'

const service = (namespace: string, port: object) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace },
  spec: { selector: { app: 'web' }, ports: [{ port: 9080, ...port }] },
})

test.each([
  ['a name that says nothing', 'shop', { name: 'main' }, ['port_name']],
  ['a name that says it', 'shop', { name: 'http-main' }, []],
  ['appProtocol', 'shop', { name: 'main', appProtocol: 'http' }, []],
  ['a namespace of Kubernetes', 'kube-system', { name: 'main' }, []],
  ['the namespace of Istio', 'istio-system', { name: 'main' }, []],
])('ports of Services: %s', (_, namespace, port, codes) => {
  expect(findStyleProblems([service(namespace, port)]).map(({ code }) => code)).toEqual(codes)
})

test.each([
  ['WorkloadEntry', 'istio.io/autoRegistrationGroup', undefined],
  ['WorkloadEntry', 'istio.io/connectedAt', undefined],
  ['WorkloadEntry', 'istio.io/disconnectedAt', undefined],
  ['WorkloadEntry', 'istio.io/workloadController', undefined],
  ['WorkloadEntry', 'proxy.istio.io/health-checks-enabled', undefined],
  ['WorkloadEntry', 'istio.io/conectedAt', 'is not an annotation: did you mean "istio.io/connectedAt"?'],
  ['VirtualService', 'istio.io/connectedAt', 'means nothing on a VirtualService'],
  ['Service', 'alpha.istio.io/kubernetes-serviceaccounts', undefined],
  ['Service', 'alpha.istio.io/canonical-serviceaccounts', undefined],
  ['Service', 'networking.istio.io/exportTo', undefined],
  ['ServiceEntry', 'networking.istio.io/traffic-distribution', undefined],
  ['Sidecar', 'galley.istio.io/analyze-suppress', undefined],
  ['Sidecar', 'sidecar.istio.io/inject', 'means nothing on a Sidecar'],
])('annotations: of a %s %s', (kind, name, message) => {
  const object = { apiVersion: 'v1', kind, metadata: { name: 'a', namespace: 'shop', annotations: { [name]: '1' } } }
  expect(findStyleProblems([{ ...object, spec: {} }])[0]?.message).toBe(message)
})

test.each([
  ['*', ['error']],
  ['IST0101, *', ['error']],
  ['IST0101,IST0108', ['error', 'warning']],
])('what an object wants nobody to be told: %s', (value, told) => {
  const web = service('shop', {})
  const silent = { ...web, metadata: { ...web.metadata, annotations: { [suppressAnnotation]: value } } }
  const object = { kind: 'Service', namespace: 'shop', name: 'web' }
  const problems = [
    { severity: 'error', object },
    { severity: 'warning', object },
  ] as const
  expect(withoutSuppressed(problems, [silent]).map(({ severity }) => severity)).toEqual(told)
  expect(withoutSuppressed(problems, [web])).toHaveLength(2)
})
