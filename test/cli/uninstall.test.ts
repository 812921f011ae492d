import { expect, test } from 'vitest'
import { KubernetesApi } from '#cli/kubernetes/kubernetes-api.ts'
import { findNamespacesWithProxies } from '#cli/kubernetes/uninstall.ts'
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
