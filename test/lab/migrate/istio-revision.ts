import { createServer, type Server } from 'node:https'
import { mkdir, readFile } from 'node:fs/promises'
import { stringify } from 'yaml'
import { AnnotationReader } from '#mesh/injection/annotation-reader.ts'
import { buildCaptureScript } from '#mesh/injection/capture-rules.ts'
import { readCaptureSettings } from '#mesh/injection/capture-settings.ts'
import { inboundCapturePort, outboundCapturePort, passedOnSource, proxyUser } from '#mesh/kubernetes/conventions.ts'
import { IstioCa } from '#test/harness/istio-ca.ts'
import { cluster, IstioSidecar, socketAddress, type Json } from '#test/harness/istio-sidecar.ts'
import { writeServerCertificate } from '#test/harness/server-certificate.ts'
import type { LabCluster } from '../harness/cluster.ts'

const trustDomain = 'cluster.local'
const certificates = '/etc/istio/certificates'
const servicePort = 9080

/**
 * What stands for Istio in a lab that has no istiod: a webhook that injects where Istio's would, into namespaces with
 * `istio-injection: enabled`, and sidecars that are configured by hand as Istio's are. Each namespace has one service, `app`, on 9080.
 */
export class IstioRevision {
  readonly ca: IstioCa
  readonly #cluster: LabCluster
  readonly #namespaces: readonly string[]
  #webhook: Server | undefined

  private constructor(ca: IstioCa, labCluster: LabCluster, namespaces: readonly string[]) {
    this.ca = ca
    this.#cluster = labCluster
    this.#namespaces = namespaces
  }

  static async prepare(
    directory: string,
    labCluster: LabCluster,
    namespaces: readonly string[],
  ): Promise<IstioRevision> {
    await mkdir(directory, { recursive: true })
    return new IstioRevision(await IstioCa.create(directory), labCluster, namespaces)
  }

  /** Certificates, configuration and webhook. `roots` is root-cert.pem; `host`: this machine's address for the cluster. */
  async install(roots: string, host: string): Promise<void> {
    for (const namespace of this.#namespaces) {
      await this.#cluster.apply(
        `{apiVersion: v1, kind: Namespace, metadata: {name: ${namespace}, labels: {istio-injection: enabled}}}`,
      )
      const leaf = await this.ca.issue(namespace, [`URI:spiffe://${trustDomain}/ns/${namespace}/sa/app`])
      const files = { 'cert-chain.pem': leaf.certificate, 'key.pem': leaf.key, 'root-cert.pem': roots }
      const data = Object.entries(files).map(async ([name, file]) => [name, await readFile(file, 'base64')] as const)
      const metadata = { namespace, name: 'istio.app' }
      await this.#apply({
        apiVersion: 'v1',
        kind: 'Secret',
        metadata,
        data: Object.fromEntries(await Promise.all(data)),
      })
      await this.#apply({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { namespace, name: 'istio' },
        data: { 'envoy.yaml': stringify(this.#bootstrap()), 'capture.sh': captureScript },
      })
    }
    await this.#startWebhook(host)
  }

  async stop(): Promise<void> {
    this.#webhook?.closeAllConnections()
    await new Promise((resolve) => (this.#webhook ? this.#webhook.close(resolve) : resolve(undefined)))
  }

  #apply(object: Json): Promise<void> {
    return this.#cluster.apply(stringify(object))
  }

  #bootstrap(): Json {
    const sidecar = new IstioSidecar({
      leaf: { certificate: `${certificates}/cert-chain.pem`, key: `${certificates}/key.pem` },
      roots: `${certificates}/root-cert.pem`,
      trustDomain,
    })
    const services = this.#namespaces.map((namespace) => ({ namespace, host: `app.${namespace}.svc.cluster.local` }))
    const byHost = services.map(({ namespace, host }) => ({
      domains: [`app.${namespace}`, `app.${namespace}:${servicePort}`],
      cluster: host,
    }))
    const captured = (
      name: string,
      port: number,
      filters: readonly Json[],
      chains: readonly Json[],
      rest?: Json,
    ): Json => ({
      name,
      address: socketAddress('0.0.0.0', port),
      listener_filters: [sidecar.listenerFilter('original_dst'), ...filters],
      filter_chains: chains,
      ...(rest && { default_filter_chain: { filters: [rest] } }),
    })
    const original = { type: 'ORIGINAL_DST', lb_policy: 'CLUSTER_PROVIDED', connect_timeout: '5s' }
    return {
      admin: { address: socketAddress('127.0.0.1', 15_000) },
      static_resources: {
        listeners: [
          captured(
            'virtualInbound',
            inboundCapturePort,
            [sidecar.listenerFilter('tls_inspector')],
            sidecar.inboundChains('inbound', { destination_port: 8080 }),
          ),
          captured(
            'virtualOutbound',
            outboundCapturePort,
            [],
            [
              {
                filter_chain_match: { destination_port: servicePort },
                filters: [sidecar.httpByHost('outbound', byHost)],
              },
            ],
            sidecar.tcp('passthrough', 'passthrough'),
          ),
        ],
        clusters: [
          { name: 'passthrough', ...original },
          {
            name: 'inbound',
            ...original,
            upstream_bind_config: { source_address: { address: passedOnSource, port_value: 0 } },
          },
          // By the virtual address, a connection for each request: endpoints are kube-proxy's to choose.
          ...services.map(({ namespace, host }) =>
            cluster(host, host, servicePort, {
              type: 'STRICT_DNS',
              dns_lookup_family: 'V4_ONLY',
              typed_extension_protocol_options: oneRequest,
              transport_socket: sidecar.clientSocket(
                'http',
                `outbound_.${servicePort}_._.${host}`,
                `spiffe://${trustDomain}/ns/${namespace}/sa/app`,
              ),
            }),
          ),
        ],
      },
    }
  }

  async #startWebhook(host: string): Promise<void> {
    const certificate = await writeServerCertificate(this.ca.directory, host)
    const options = { cert: await readFile(certificate.file), key: await readFile(certificate.keyFile) }
    this.#webhook = createServer(options, (incoming, outgoing) => {
      let text = ''
      incoming.on('data', (chunk) => (text += String(chunk)))
      incoming.on('end', () => {
        const { apiVersion, kind, request } = JSON.parse(text) as { apiVersion: string; kind: string; request: Review }
        const patch = Buffer.from(JSON.stringify(toPatch(request.object))).toString('base64')
        const response = { uid: request.uid, allowed: true, patchType: 'JSONPatch', patch }
        outgoing.setHeader('content-type', 'application/json')
        outgoing.end(JSON.stringify({ apiVersion, kind, response }))
      })
    })
    await new Promise<void>((resolve) => this.#webhook?.listen(0, host, resolve))
    const address = this.#webhook.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    await this.#apply({
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'MutatingWebhookConfiguration',
      metadata: { name: 'istio-sidecar-injector' },
      webhooks: [
        {
          name: 'namespace.sidecar-injector.istio.io',
          admissionReviewVersions: ['v1'],
          sideEffects: 'None',
          clientConfig: { url: `https://${host}:${address.port}/inject`, caBundle: options.cert.toString('base64') },
          namespaceSelector: { matchLabels: { 'istio-injection': 'enabled' } },
          rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }],
        },
      ],
    })
  }
}

const captureScript = buildCaptureScript(readCaptureSettings(new AnnotationReader({})))

const oneRequest = {
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
    '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
    common_http_protocol_options: { max_requests_per_connection: 1 },
    explicit_http_config: { http_protocol_options: {} },
  },
}

interface Review {
  readonly uid: string
  readonly object: {
    readonly metadata: { readonly labels?: object; readonly annotations?: object }
    readonly spec: { readonly initContainers?: readonly object[]; readonly volumes?: readonly object[] }
  }
}

/** What Istio's injector does to a pod, with native sidecars. */
const toPatch = ({ metadata, spec }: Review['object']): Json[] => {
  const volumeMounts = [
    { name: 'istio-envoy', mountPath: '/etc/istio/proxy' },
    { name: 'istio-certificates', mountPath: certificates },
  ]
  const containers = [
    {
      name: 'istio-init',
      image: 'atoll/init',
      command: ['sh', '/etc/istio/proxy/capture.sh'],
      securityContext: { runAsUser: 0, capabilities: { add: ['NET_ADMIN', 'NET_RAW'] } },
      volumeMounts,
    },
    {
      name: 'istio-proxy',
      image: 'atoll/proxy',
      restartPolicy: 'Always',
      args: ['-c', '/etc/istio/proxy/envoy.yaml', '--disable-hot-restart', '--concurrency', '1'],
      securityContext: { runAsUser: proxyUser, runAsGroup: proxyUser },
      volumeMounts,
    },
  ]
  const status = {
    containers: ['istio-proxy'],
    initContainers: ['istio-init'],
    volumes: ['istio-envoy'],
    revision: 'default',
  }
  const labels = { 'security.istio.io/tlsMode': 'istio', ...metadata.labels }
  const annotations = { ...metadata.annotations, 'sidecar.istio.io/status': JSON.stringify(status) }
  const volumes = [
    { name: 'istio-envoy', configMap: { name: 'istio' } },
    { name: 'istio-certificates', secret: { secretName: 'istio.app' } },
  ]
  return [
    { op: 'add', path: '/metadata/labels', value: labels },
    { op: 'add', path: '/metadata/annotations', value: annotations },
    { op: 'add', path: '/spec/initContainers', value: [...containers, ...(spec.initContainers ?? [])] },
    { op: 'add', path: '/spec/volumes', value: [...(spec.volumes ?? []), ...volumes] },
  ]
}
