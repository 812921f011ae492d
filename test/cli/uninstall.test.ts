import { expect, test } from 'vitest'
import { KubernetesApi } from '#cli/kubernetes/kubernetes-api.ts'
import { toObjectText } from '#cli/kubernetes/kubernetes-object.ts'
import { findNamespacesWithProxies, uninstall } from '#cli/kubernetes/uninstall.ts'
import { proxyConfigMap } from '#mesh/kubernetes/conventions.ts'
import { fakeKubernetes } from './fake-kubernetes.ts'

const pod = (namespace: string, name: string, volumes?: readonly object[], labels = {}) => ({
  metadata: { name, namespace, resourceVersion: '1', labels },
  spec: { ...(volumes && { volumes }) },
})
const ours = [
  { name: 'istio-data', emptyDir: {} },
  { name: 'atoll-proxy', configMap: { name: proxyConfigMap } },
]

test('pods that keep their proxies are found by what their proxies start with, whatever label asked for them', async () => {
  const items = [
    pod('shop', 'reviews-1', ours),
    pod('moved', 'ratings-1', ours),
    pod('moved', 'ratings-2', ours),
    pod('istio', 'details-1', [{ name: 'istiod-ca-cert', configMap: { name: 'istio-ca-root-cert' } }]),
    pod('plain', 'job-1'),
    pod('istio-system', 'istio-egressgateway-1', ours, { 'app.kubernetes.io/part-of': 'atoll' }),
  ]
  const api = new KubernetesApi(fakeKubernetes({ objects: { '/api/v1/pods': { metadata: {}, items } } }))
  expect(await findNamespacesWithProxies(api)).toEqual(['moved', 'shop'])
})

test.each([
  ['goes', { 'app.kubernetes.io/part-of': 'atoll' }, ['Service istio-system/istio-egressgateway']],
  ["stays where it is Istio's", { release: 'istio' }, []],
])("a gateway in Istio's namespace %s, and the namespace stays", async (_what, labels, expected) => {
  const metadata = { name: 'istio-egressgateway', namespace: 'istio-system', resourceVersion: '1', labels }
  const objects = { '/api/v1/namespaces/istio-system/services/istio-egressgateway': { metadata } }
  const removed: string[] = []
  await uninstall(
    new KubernetesApi(fakeKubernetes({ takesWrites: true, objects })),
    { now: () => 0, sleep: () => Promise.resolve(), timeoutSeconds: 1 },
    (reference) => removed.push(toObjectText(reference)),
  )
  expect(removed).toContain('Namespace atoll-egress')
  expect(removed.filter((text) => text.includes('istio-system'))).toEqual(expected)
})
