import { expect, test } from 'vitest'
import { findStyleProblems } from './style.ts'

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
