import { expect, it } from 'vitest'
import { injectPod } from './inject-pod.ts'
import { defaultInjectionSettings } from './injection-settings.ts'
import type { Container, Pod } from './pod.ts'

const settings = { ...defaultInjectionSettings, proxyImage: 'registry.test/proxy:1' }

const toGateway = (
  container: Partial<Container> = {},
  spec: Partial<Pod['spec']> = {},
  annotations: Readonly<Record<string, string>> = {},
): Pod => ({
  metadata: { annotations: { 'inject.istio.io/templates': 'gateway', ...annotations } },
  spec: { containers: [{ name: 'istio-proxy', image: 'auto', ...container }], ...spec },
})

const inject = (pod: Pod) => {
  const result = injectPod(pod, settings)
  if (!result.ok) throw new Error(JSON.stringify(result.error))
  return result.value
}
const proxyOf = (pod: Pod) => inject(pod).pod.spec.containers.find(({ name }) => name === 'istio-proxy')

it('fills in the container, captures nothing, and lets it listen on all ports without being root', () => {
  const { pod, warnings } = inject(toGateway())
  expect(pod.spec.initContainers).toBeUndefined()
  expect(pod.spec.containers).toHaveLength(1)
  expect(proxyOf(toGateway())).toMatchObject({
    image: 'registry.test/proxy:1',
    args: expect.arrayContaining(['--drain-strategy', 'immediate']),
    readinessProbe: { httpGet: { path: '/healthz/ready', port: 15_021 } },
    securityContext: { runAsNonRoot: true, runAsUser: 1337, capabilities: { drop: ['ALL'] } },
  })
  expect(pod.spec.securityContext).toEqual({ sysctls: [{ name: 'net.ipv4.ip_unprivileged_port_start', value: '0' }] })
  expect(pod.spec.volumes?.map(({ name }) => name)).toContain('atoll-token')
  expect(pod.metadata?.annotations).not.toHaveProperty('kubectl.kubernetes.io/default-container')
  expect(pod.metadata?.labels).toBeUndefined()
  expect(warnings).toEqual([])
})

it('changes nothing the second time', () => {
  const { pod } = inject(toGateway())
  expect(inject(pod).pod).toEqual(pod)
})

it.each<[string, Partial<Container>, object]>([
  ['an image', { image: 'example.org/envoy:2' }, { image: 'example.org/envoy:2' }],
  ['resources', { resources: { limits: { cpu: '4' } } }, { resources: { limits: { cpu: '4' } } }],
  ['a thread for each of its CPUs', { resources: { limits: { cpu: 3 } } }, { args: expect.arrayContaining(['3']) }],
  ['a probe', { readinessProbe: { tcpSocket: { port: 80 } } }, { readinessProbe: { tcpSocket: { port: 80 } } }],
  [
    'a part of the security context',
    { securityContext: { runAsUser: 5, runAsGroup: 6 } },
    { securityContext: { runAsUser: 5, runAsGroup: 6, runAsNonRoot: true } },
  ],
  [
    'variables and volumes beside the ones of the template',
    { env: [{ name: 'A', value: 'b' }], volumeMounts: [{ name: 'certs', mountPath: '/etc/certs' }] },
    {
      env: [{ name: 'POD_NAME' }, { name: 'POD_NAMESPACE' }, { name: 'A', value: 'b' }],
      volumeMounts: expect.arrayContaining([
        { name: 'certs', mountPath: '/etc/certs' },
        { name: 'atoll-tmp', mountPath: '/tmp' },
      ]),
    },
  ],
  ['ports', { ports: [{ containerPort: 15_090 }] }, { ports: [{ containerPort: 15_090 }] }],
  [
    'nothing where nothing is said',
    { resources: {}, env: [], readinessProbe: null },
    { resources: settings.resources },
  ],
])('keeps what the container says itself: %s', (_, container, expected) => {
  expect(proxyOf(toGateway(container))).toMatchObject(expected)
})

it('adds the container where there is none, and leaves others alone', () => {
  const app: Container = { name: 'app', livenessProbe: { httpGet: { port: 80, path: '/' } } }
  const { pod } = inject(toGateway({}, { containers: [app] }))
  expect(pod.spec.containers.map(({ name }) => name)).toEqual(['app', 'istio-proxy'])
  expect(pod.spec.containers[0]).toEqual(app)
  expect(pod.metadata?.annotations).toMatchObject({ 'kubectl.kubernetes.io/default-container': 'app' })
})

it('leaves the sysctls of the pod, and adds its own', () => {
  const sysctls = [{ name: 'net.ipv4.tcp_syncookies', value: '1' }]
  const { pod } = inject(toGateway({}, { securityContext: { fsGroup: 7, sysctls } }))
  expect(pod.spec.securityContext).toEqual({
    fsGroup: 7,
    sysctls: [...sysctls, { name: 'net.ipv4.ip_unprivileged_port_start', value: '0' }],
  })
  const chosen = [{ name: 'net.ipv4.ip_unprivileged_port_start', value: '80' }]
  expect(inject(toGateway({}, { securityContext: { sysctls: chosen } })).pod.spec.securityContext).toEqual({
    sysctls: chosen,
  })
})

it('gives a pod the time that its connections may take, and warns of what only sidecars have', () => {
  const { pod, warnings } = inject(
    toGateway(
      {},
      {},
      {
        'proxy.istio.io/config': 'terminationDrainDuration: 60s',
        'sidecar.istio.io/rewriteAppHTTPProbers': 'true',
      },
    ),
  )
  expect(pod.spec.terminationGracePeriodSeconds).toBe(65)
  expect(warnings.map(({ path }) => path.at(-1))).toEqual(['sidecar.istio.io/rewriteAppHTTPProbers'])
})

it('does not take an init container of its name', () => {
  expect(injectPod(toGateway({}, { initContainers: [{ name: 'istio-proxy' }] }), settings)).toMatchObject({
    ok: false,
    error: [{ path: ['spec', 'initContainers', 0, 'name'] }],
  })
})
