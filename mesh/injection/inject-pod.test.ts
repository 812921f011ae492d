import { describe, expect, it } from 'vitest'
import { injectPod } from './inject-pod.ts'
import { defaultInjectionSettings } from './injection-settings.ts'
import { parsePod } from './pod.ts'
import type { Container, Pod } from './pod.ts'
import { parseProbeRoutes } from './probe-routes.ts'
import { noProxyLayers, type ProxyLayers } from './proxy-layers.ts'

const settings = { ...defaultInjectionSettings, proxyImage: 'registry.test/proxy:1' }

const toPod = (annotations: Readonly<Record<string, string>> = {}, spec: Partial<Pod['spec']> = {}): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', annotations },
  spec: { containers: [{ name: 'app', image: 'app' }], initContainers: [{ name: 'migrate' }], ...spec },
})

const inject = (pod: Pod) => {
  const result = injectPod(pod, settings)
  if (!result.ok) throw new Error(JSON.stringify(result.error))
  return result.value
}

const problemsOf = (pod: Pod): readonly string[] => {
  const result = injectPod(pod, settings)
  return result.ok ? [] : result.error.map(({ path, message }) => `${String(path.at(-1))}: ${message}`)
}

const namesOf = (containers: readonly Container[] | null | undefined) => containers?.map(({ name }) => name)

const proxyOf = ({ spec }: Pod): Container => {
  const proxy = [...(spec.initContainers ?? []), ...spec.containers].find(({ name }) => name === 'istio-proxy')
  if (!proxy) throw new Error('there is no proxy')
  return proxy
}

describe('injectPod', () => {
  it('puts a native sidecar before everything that should be in the mesh', () => {
    const { pod, warnings } = inject(toPod())
    expect(namesOf(pod.spec.initContainers)).toEqual(['istio-init', 'istio-proxy', 'migrate'])
    expect(namesOf(pod.spec.containers)).toEqual(['app'])
    expect(proxyOf(pod)).toMatchObject({ restartPolicy: 'Always', image: 'registry.test/proxy:1' })
    expect(warnings).toEqual([])
  })

  it('puts an ordinary proxy before the application, and captures when the init containers have ended', () => {
    const { pod } = inject(toPod({ 'sidecar.istio.io/nativeSidecar': 'false' }))
    expect(namesOf(pod.spec.initContainers)).toEqual(['migrate', 'istio-init'])
    expect(namesOf(pod.spec.containers)).toEqual(['istio-proxy', 'app'])
    expect(pod.metadata?.annotations).toMatchObject({ 'kubectl.kubernetes.io/default-container': 'app' })
    expect(proxyOf(pod)).not.toHaveProperty('restartPolicy')
    expect(proxyOf(pod).lifecycle).not.toHaveProperty('postStart')
  })

  it('changes nothing the second time', () => {
    for (const native of ['true', 'false']) {
      const { pod } = inject(
        toPod(
          { 'sidecar.istio.io/nativeSidecar': native },
          { containers: [{ name: 'app', readinessProbe: { httpGet: { port: 80 } } }] },
        ),
      )
      expect(inject(pod).pod).toEqual(pod)
    }
  })

  it('carries everything else through', () => {
    const given = toPod(
      { 'example.org/note': 'kept' },
      { nodeSelector: { disk: 'ssd' }, volumes: [{ name: 'data', emptyDir: {} }] },
    )
    const { pod } = inject(given)
    expect(pod).toMatchObject({ apiVersion: 'v1', spec: { nodeSelector: { disk: 'ssd' } } })
    expect(pod.metadata?.annotations).toMatchObject({ 'example.org/note': 'kept' })
    expect(pod.spec.volumes?.[0]).toEqual({ name: 'data', emptyDir: {} })
    expect(pod.spec.containers).toEqual(given.spec.containers)
  })

  it('says with what it was injected', () => {
    const status: unknown = JSON.parse(inject(toPod()).pod.metadata?.annotations?.['sidecar.istio.io/status'] ?? '')
    expect(status).toEqual({
      initContainers: ['istio-init', 'istio-proxy'],
      containers: [],
      volumes: ['atoll-proxy', 'atoll-token', 'atoll-shm', 'atoll-tmp'],
      imagePullSecrets: [],
      revision: 'default',
    })
  })

  it('gives the proxy what the restricted security standard asks for, and the init container what it needs', () => {
    const { pod } = inject(toPod())
    expect(proxyOf(pod).securityContext).toMatchObject({
      runAsUser: 1337,
      runAsNonRoot: true,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    })
    expect(pod.spec.initContainers?.[0]?.securityContext).toMatchObject({
      capabilities: { add: ['NET_ADMIN', 'NET_RAW'], drop: ['ALL'] },
    })
  })
})

describe('annotations of the proxy', () => {
  it.each<[string, Readonly<Record<string, string>>, object]>([
    [
      'resources replace all of the default ones',
      { 'sidecar.istio.io/proxyCPU': '10m', 'sidecar.istio.io/proxyMemoryLimit': '64Mi' },
      { resources: { requests: { cpu: '10m' }, limits: { memory: '64Mi' } } },
    ],
    ['an image', { 'sidecar.istio.io/proxyImage': 'example.org/envoy:2' }, { image: 'example.org/envoy:2' }],
    [
      'a log level',
      { 'sidecar.istio.io/logLevel': 'debug', 'sidecar.istio.io/componentLogLevel': 'http:trace,upstream:info' },
      { args: expect.arrayContaining(['--log-level', 'debug', '--component-log-level', 'http:trace,upstream:info']) },
    ],
    [
      'concurrency by the CPU limit',
      { 'sidecar.istio.io/proxyCPULimit': '2500m' },
      { args: expect.arrayContaining(['--concurrency', '3']) },
    ],
    [
      'concurrency as configured',
      { 'proxy.istio.io/config': 'concurrency: 7' },
      { args: expect.arrayContaining(['--concurrency', '7']) },
    ],
    [
      'readiness',
      { 'readiness.status.sidecar.istio.io/periodSeconds': '2' },
      { readinessProbe: { httpGet: { path: '/healthz/ready', port: 15_021 }, periodSeconds: 2 } },
    ],
  ])('%s', (_, annotations, expected) => {
    expect(proxyOf(inject(toPod(annotations)).pod)).toMatchObject(expected)
  })

  it.each([
    ['web.$(POD_NAMESPACE)', { app: 'web' }, {}],
    ['istio-proxy.$(POD_NAMESPACE)', {}, {}],
    ['shop', { app: 'web', 'service.istio.io/canonical-name': 'shop' }, { tracingServiceName: 'CANONICAL_NAME_ONLY' }],
  ] as const)('is %s to a backend of traces', (name, labels, base) => {
    const injected = injectPod({ ...toPod(), metadata: { name: 'web', labels } }, settings, { ...noProxyLayers, base })
    const args: unknown = injected.ok && proxyOf(injected.value.pod)['args']
    expect(args).toEqual(expect.arrayContaining(['--service-cluster', name]))
  })

  it('has as many threads as there are CPUs when the configuration says 0', () => {
    const { args } = proxyOf(inject(toPod({ 'proxy.istio.io/config': 'concurrency: 0' })).pod)
    expect(args).not.toContain('--concurrency')
  })

  it('holds the application until an ordinary proxy is ready', () => {
    const { pod } = inject(
      toPod({
        'sidecar.istio.io/nativeSidecar': 'false',
        'proxy.istio.io/config': '{"holdApplicationUntilProxyStarts": true}',
      }),
    )
    expect(proxyOf(pod).lifecycle).toHaveProperty('postStart')
  })

  it('gives a pod the time that its proxy needs to drain', () => {
    const drain = (seconds: number, grace?: number) =>
      inject(
        toPod(
          {
            'sidecar.istio.io/nativeSidecar': 'false',
            'proxy.istio.io/config': `terminationDrainDuration: ${seconds}s`,
          },
          grace === undefined ? {} : { terminationGracePeriodSeconds: grace },
        ),
      ).pod.spec.terminationGracePeriodSeconds
    expect([drain(10), drain(10, 12), drain(40), drain(40, 60)]).toEqual([undefined, 15, 45, 60])
  })

  it.each<[string, string, string]>([
    ['traffic.sidecar.istio.io/includeInboundPorts', '80,http', '"http" is not a port (1 to 65535)'],
    ['traffic.sidecar.istio.io/excludeInboundPorts', '*', '"*" is not a port (1 to 65535)'],
    ['traffic.sidecar.istio.io/includeOutboundPorts', '0', '"0" is not a port (1 to 65535)'],
    ['traffic.sidecar.istio.io/excludeOutboundPorts', '70000', '"70000" is not a port (1 to 65535)'],
    [
      'traffic.sidecar.istio.io/includeOutboundIPRanges',
      '10.0.0.1',
      '"10.0.0.1" is not a range of addresses such as 10.0.0.0/8',
    ],
    ['traffic.sidecar.istio.io/excludeOutboundIPRanges', '*', '"*" is not a range of addresses such as 10.0.0.0/8'],
    [
      'traffic.sidecar.istio.io/excludeInterfaces',
      'eth0; reboot',
      '"eth0; reboot" is not the name of a network interface',
    ],
    ['traffic.sidecar.istio.io/kubevirtInterfaces', 'eth0+', '"eth0+" is not the name of a network interface'],
    ['istio.io/reroute-virtual-interfaces', '-j', '"-j" is not the name of a network interface'],
    ['sidecar.istio.io/proxyCPU', 'much', '"much" is not a quantity such as 250m or 64Mi'],
    ['sidecar.istio.io/nativeSidecar', 'maybe', '"maybe" is neither "true" nor "false"'],
    ['sidecar.istio.io/interceptionMode', 'TPROXY', '"TPROXY" is not supported: only REDIRECT'],
    ['sidecar.istio.io/logLevel', 'loud', expect.stringContaining('"loud" is not supported')],
    ['inject.istio.io/templates', 'grpc-agent', '"grpc-agent" is not supported: only sidecar, gateway'],
    ['proxy.istio.io/config', '{', expect.stringContaining('is not YAML')],
    ['proxy.istio.io/config', 'concurrency: -1', expect.stringContaining('concurrency')],
  ])('%s: %s keeps the pod from being injected', (name, text, message) => {
    const result = injectPod(toPod({ [name]: text }), settings)
    expect(result).toEqual({ ok: false, error: [{ path: ['metadata', 'annotations', name], message }] })
  })

  it('names what has no effect', () => {
    const { warnings } = inject(
      toPod({
        'sidecar.istio.io/bootstrapOverride': 'mine',
        'sidecar.istio.io/proxyImage': 'proxyv2',
        'proxy.istio.io/config': 'tracing: {}\nconcurrency: 1',
        'sidecar.istio.io/inject': 'true',
        'example.org/other': 'x',
      }),
    )
    expect(warnings.map(({ path, message }) => `${String(path.at(-1))}: ${message}`)).toEqual([
      'proxy.istio.io/config: tracing has no effect',
      'sidecar.istio.io/proxyImage: "proxyv2" is no image with its registry: it has no effect',
      'sidecar.istio.io/bootstrapOverride: has no effect',
    ])
  })
})

describe('names that are the injector’s', () => {
  it.each<[string, Partial<Pod['spec']>]>([
    ['a container', { containers: [{ name: 'istio-proxy' }] }],
    ['an init container', { initContainers: [{ name: 'istio-init' }] }],
    ['a volume', { volumes: [{ name: 'atoll-token' }] }],
  ])('are refused: %s', (_, spec) => {
    expect(problemsOf(toPod({}, spec))).toEqual([expect.stringContaining("is the injector's")])
  })

  it('warns of an application that runs as the proxy’s user', () => {
    const asProxy = { runAsUser: 1337 }
    expect(inject(toPod({}, { securityContext: asProxy })).warnings).toHaveLength(1)
    expect(inject(toPod({}, { containers: [{ name: 'app', securityContext: asProxy }] })).warnings).toHaveLength(1)
  })
})

describe('metrics of the application', () => {
  const scraped = { 'prometheus.io/scrape': 'true', 'prometheus.io/port': '8080' }
  const annotationsOf = (pod: Pod, layers?: ProxyLayers) => {
    const result = injectPod(pod, settings, layers)
    return result.ok ? result.value.pod.metadata?.annotations : undefined
  }

  it('are scraped through the proxy, also when it is injected twice', () => {
    const { pod } = inject(toPod(scraped))
    expect(pod.metadata?.annotations).toMatchObject({
      'prometheus.io/port': '15020',
      'atoll.dev/scrape-target': '{"port":8080,"path":"/metrics"}',
    })
    expect(inject(pod).pod).toEqual(pod)
  })

  it.each<[string, Pod, ProxyLayers]>([
    ['the mesh', toPod(scraped), { ...noProxyLayers, mergesMetrics: false }],
    ['the pod', toPod({ ...scraped, 'prometheus.istio.io/merge-metrics': 'false' }), noProxyLayers],
    ['its being a gateway', toPod({ ...scraped, 'inject.istio.io/templates': 'gateway' }), noProxyLayers],
  ])('are as the pod has them where %s says so', (_, pod, layers) => {
    expect(annotationsOf(pod, layers)).toMatchObject(scraped)
    expect(annotationsOf(pod, layers)).not.toHaveProperty(['atoll.dev/scrape-target'])
  })

  it('are led to the proxy where the pod wants it and the mesh does not', () => {
    const pod = toPod({ ...scraped, 'prometheus.istio.io/merge-metrics': 'true' })
    expect(annotationsOf(pod, { ...noProxyLayers, mergesMetrics: false })).toMatchObject({
      'prometheus.io/port': '15020',
    })
  })
})

describe('probes', () => {
  const probed: Container = {
    name: 'app',
    ports: [{ name: 'http', containerPort: 8080 }],
    readinessProbe: {
      httpGet: { port: 'http', path: '/ready', scheme: 'HTTPS', httpHeaders: [{ name: 'a', value: 'b' }] },
      periodSeconds: 3,
    },
    livenessProbe: { tcpSocket: { port: 8080 }, timeoutSeconds: 2 },
    startupProbe: { grpc: { port: 9000, service: 'boot' } },
    lifecycle: { preStop: { httpGet: { port: 8080, path: 'bye' } }, postStart: { exec: { command: ['true'] } } },
  }

  it('lead to the proxy, which knows where they lead', () => {
    const { pod } = inject(toPod({}, { containers: [probed] }))
    expect(pod.spec.containers[0]).toEqual({
      ...probed,
      readinessProbe: {
        httpGet: {
          port: 15_021,
          path: '/app-health/app/readyz',
          scheme: 'HTTP',
          httpHeaders: [{ name: 'a', value: 'b' }],
        },
        periodSeconds: 3,
      },
      livenessProbe: { httpGet: { port: 15_021, path: '/app-health/app/livez' }, timeoutSeconds: 2 },
      startupProbe: { httpGet: { port: 15_021, path: '/app-health/app/startupz' } },
      lifecycle: {
        preStop: { httpGet: { port: 15_021, path: '/app-health/app/prestopz' } },
        postStart: { exec: { command: ['true'] } },
      },
    })
    expect(parseProbeRoutes(pod.metadata?.annotations?.['atoll.dev/probe-routes'] ?? '')).toEqual({
      ok: true,
      value: {
        '/app-health/app/readyz': { httpGet: { port: 8080, path: '/ready', scheme: 'HTTPS' } },
        '/app-health/app/livez': { tcpSocket: { port: 8080 }, timeoutSeconds: 2, periodSeconds: 10 },
        '/app-health/app/startupz': { grpc: { port: 9000, service: 'boot' }, timeoutSeconds: 1, periodSeconds: 10 },
        '/app-health/app/prestopz': { httpGet: { port: 8080, path: '/bye', scheme: 'HTTP' } },
      },
    })
  })

  it.each<[string, Readonly<Record<string, string>>, Container]>([
    ['another host', {}, { name: 'app', livenessProbe: { httpGet: { host: '10.0.0.9', port: 80 } } }],
    ['a command', {}, { name: 'app', livenessProbe: { exec: { command: ['true'] } } }],
    ['a pod that wants it so', { 'sidecar.istio.io/rewriteAppHTTPProbers': 'false' }, probed],
  ])('are left alone: %s', (_, annotations, container) => {
    const { pod } = inject(toPod(annotations, { containers: [container] }))
    expect(pod.spec.containers).toEqual([container])
    expect(pod.metadata?.annotations).not.toHaveProperty(['atoll.dev/probe-routes'])
  })

  it('warns of a port that the container does not have', () => {
    const { warnings } = inject(
      toPod({}, { containers: [{ name: 'app', livenessProbe: { tcpSocket: { port: 'db' } } }] }),
    )
    expect(warnings).toEqual([
      { path: ['spec', 'containers', 0, 'livenessProbe'], message: expect.stringContaining('names a port') },
    ])
  })

  it.each([
    '',
    '[]',
    '{"/admin": {"tcpSocket": {"port": 1}}}',
    '{"/app-health/a/livez": {"exec": {}}}',
    '{"/app-health/a/livez": {"httpGet": {"port": 0, "path": "/", "scheme": "HTTP"}}}',
  ])('are read with care: %s', (text) => {
    expect(parseProbeRoutes(text).ok).toBe(false)
  })
})

describe('parsePod', () => {
  it('gives back the value itself, or says what is wrong where', () => {
    const pod = { spec: { containers: [{ image: 'a', name: 'b' }] }, kind: 'Pod' }
    const parsed = parsePod(pod)
    expect(parsed.ok && parsed.value).toBe(pod)
    expect(parsePod({ spec: { containers: [{ name: 'a' }], hostNetwork: 'yes' } })).toMatchObject({
      ok: false,
      error: [{ path: ['spec', 'hostNetwork'], message: 'must be true or false, not a string' }],
    })
  })
})
