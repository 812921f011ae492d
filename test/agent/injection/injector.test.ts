import { once } from 'node:events'
import { request } from 'node:https'
import { connect } from 'node:net'
import { X509Certificate } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import { Injector } from '#agent/injection/injector.ts'
import type { WebhookAuthority } from '#agent/injection/webhook-authority.ts'
import { WebhookCertificate, webhookHost, type AuthorityStore } from '#agent/injection/webhook-certificate.ts'
import { createLog } from '#agent/log.ts'
import { defaultInjectionSettings } from '#mesh/injection/injection-settings.ts'
import { MeshViewStore } from '#mesh/mesh-view-store.ts'
import { east, makeObject, network1, settings, trust } from '#test/mesh/records.ts'
import { untilHolds } from '../until-holds.ts'
import { VirtualClock } from '../virtual-clock.ts'

/** What an API server keeps: writes of two replicas at once, and only one is taken. */
class MemoryStore {
  authorities: readonly WebhookAuthority[] = []
  isAway = false
  #version = 0

  /** The store as one replica sees it. */
  toReplica(): AuthorityStore {
    let seen = -1
    return {
      read: async () => {
        if (this.isAway) throw new Error('the API server is away')
        seen = this.#version
        return this.authorities
      },
      write: async (authorities) => {
        if (seen !== this.#version) return false
        seen = this.#version += 1
        this.authorities = authorities
        return true
      },
    }
  }
}

const day = 24 * 60 * 60_000
const options = { random: () => 0.5 }

const proxySettings = new MeshViewStore({
  localCluster: east,
  localNetwork: network1,
  settings: { ...settings, meshConfig: { defaultConfig: { concurrency: 3 } } },
  trust,
})
const ofShop = makeObject('ProxyConfig', 'a', { environmentVariables: { A: 'shop' } }, { namespace: 'shop' })
proxySettings.apply([{ kind: 'config', origin: 'cluster', key: 'ProxyConfig/shop/a', value: ofShop }])

const running: Injector[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((injector) => injector.stop()))
})

const startInjector = async (store = new MemoryStore(), isReporter = true) => {
  const election = { isReporter }
  const clock = new VirtualClock(Date.now())
  const published: string[] = []
  const refuse = { publishing: false }
  const injector = new Injector({
    ...options,
    settings: { ...defaultInjectionSettings, proxyImage: 'registry.test/proxy:1' },
    proxySettings,
    store: store.toReplica(),
    publish: async (pem) => {
      if (refuse.publishing) throw new Error('the API server refuses')
      published.push(pem)
    },
    isReporter: () => election.isReporter,
    clock,
    elapsed: () => clock.now(),
    log: createLog('silent'),
  })
  running.push(injector)
  const port = await injector.start({ host: '127.0.0.1', port: 0 })
  return { injector, clock, published, port, election, refuse }
}

interface Call {
  readonly ca: string
  readonly port: number
  readonly body: string
  readonly method?: string
  readonly path?: string
  readonly type?: string
}

const call = ({ ca, port, body, method = 'POST', path = '/inject?timeout=10s', type = 'application/json' }: Call) =>
  new Promise<{ readonly status: number; readonly body: unknown }>((resolve, reject) => {
    const sent = request(
      { host: '127.0.0.1', port, ca, servername: webhookHost, method, path, headers: { 'content-type': type } },
      (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (part: string) => (text += part))
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) }))
      },
    )
    sent.on('error', reject)
    sent.end(body)
  })

const toReview = (object: unknown, namespace = 'shop'): string =>
  JSON.stringify({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: { uid: 'u-1', namespace, operation: 'CREATE', dryRun: false, object },
  })
const toPod = (annotations: Readonly<Record<string, string>> = {}) => ({
  metadata: { generateName: 'web-', annotations },
  spec: { containers: [{ name: 'app' }] },
})

describe('the webhook', () => {
  it('answers with a patch that puts the proxy in', async () => {
    const { port, published, injector } = await startInjector()
    const answer = await call({
      ca: published[0] ?? '',
      port,
      body: toReview(toPod({ 'sidecar.istio.io/userVolume': '{}' })),
    })
    expect(answer).toMatchObject({
      status: 200,
      body: {
        apiVersion: 'admission.k8s.io/v1',
        kind: 'AdmissionReview',
        response: {
          uid: 'u-1',
          allowed: true,
          patchType: 'JSONPatch',
          warnings: ['shop/web-…: annotation sidecar.istio.io/userVolume: has no effect'],
        },
      },
    })
    const { patch } = (answer.body as { response: { patch: string } }).response
    expect(JSON.parse(Buffer.from(patch, 'base64').toString())).toContainEqual({
      op: 'add',
      path: '/spec/initContainers',
      value: [expect.objectContaining({ name: 'istio-init' }), expect.objectContaining({ name: 'istio-proxy' })],
    })
    expect(injector.status().reviews).toEqual({ injected: 1, skipped: 0, refused: 0, failed: 0 })
    expect(injector.status().durations.buckets.at(-1)).toEqual({ le: Infinity, count: 1 })
  })

  it('injects as the mesh and the ProxyConfigs of the namespace say', async () => {
    const { port, published } = await startInjector()
    const patchOf = async (namespace: string) => {
      const answer = await call({ ca: published[0] ?? '', port, body: toReview(toPod(), namespace) })
      return Buffer.from((answer.body as { response: { patch: string } }).response.patch, 'base64').toString()
    }
    const shop = await patchOf('shop')
    expect(shop).toContain('"--concurrency","3"')
    expect(shop).toContain('{"name":"A","value":"shop"}')
    expect(await patchOf('other')).not.toContain('"name":"A"')
  })

  it('leads Prometheus to the proxy, unless the mesh says no', async () => {
    const { port, published } = await startInjector()
    const scraped = toReview(toPod({ 'prometheus.io/scrape': 'true', 'prometheus.io/port': '8080' }))
    const patchOfScraped = async () => {
      const answer = await call({ ca: published[0] ?? '', port, body: scraped })
      return Buffer.from((answer.body as { response: { patch: string } }).response.patch, 'base64').toString()
    }
    expect(await patchOfScraped()).toContain('"/stats/prometheus"')
    const before = proxySettings.settings()
    const meshConfig = { ...before.meshConfig, enablePrometheusMerge: false }
    proxySettings.apply([{ kind: 'settings', value: { ...before, meshConfig } }])
    expect(await patchOfScraped()).not.toContain('"/stats/prometheus"')
    proxySettings.apply([{ kind: 'settings', value: before }])
  })

  it.each<[string, string]>([
    ['a pod that refuses', toReview(toPod({ 'sidecar.istio.io/inject': 'false' }))],
    ['a pod beside the agent', toReview(toPod(), 'atoll-system')],
  ])('lets %s through as it is', async (_, body) => {
    const { port, published } = await startInjector()
    const answer = await call({ ca: published[0] ?? '', port, body })
    expect(answer.body).toMatchObject({ response: { uid: 'u-1', allowed: true } })
    expect(answer.body).not.toHaveProperty('response.patch')
  })

  it('refuses a pod with a malformed annotation, by both names', async () => {
    const { port, published, injector } = await startInjector()
    const pod = toPod({ 'traffic.sidecar.istio.io/excludeInboundPorts': 'ssh' })
    const answer = await call({ ca: published[0] ?? '', port, body: toReview(pod) })
    expect(answer.body).toMatchObject({
      response: {
        allowed: false,
        status: {
          message:
            'pod shop/web-… can\'t be injected: annotation traffic.sidecar.istio.io/excludeInboundPorts: "ssh" is not a port (1 to 65535)',
        },
      },
    })
    expect(injector.status().reviews.refused).toBe(1)
  })

  it.each<[string, Partial<Call>, number]>([
    ['another path', { path: '/' }, 404],
    ['another method', { method: 'PUT' }, 405],
    ['another type', { type: 'text/plain' }, 415],
    ['what is no JSON', { body: '{' }, 400],
    ['what is no review', { body: '{"kind": "Pod"}' }, 400],
    ['too much', { body: ' '.repeat(4 * 1024 * 1024 + 1) }, 413],
  ])('does not take %s', async (_, wrong, status) => {
    const { port, published, injector } = await startInjector()
    expect((await call({ ca: published[0] ?? '', port, body: toReview(toPod()), ...wrong })).status).toBe(status)
    expect(injector.status().reviews.failed).toBe(1)
  })

  it('answers while a pod holds as many connections as there may be', async () => {
    const { port, published } = await startInjector()
    const silent = Array.from({ length: 200 }, () => connect({ host: '127.0.0.1', port, localAddress: '127.0.0.2' }))
    for (const socket of silent) socket.on('error', () => {}).resume()
    await Promise.all(silent.map((socket) => once(socket, 'connect')))
    expect((await call({ ca: published[0] ?? '', port, body: toReview(toPod()) })).status).toBe(200)
    // Who does not even begin with TLS has no connection for long.
    await untilHolds(() => expect(silent.filter(({ destroyed }) => !destroyed)).toEqual([]))
  })

  it('is not published by a replica that does not report, which has the same authority', async () => {
    const store = new MemoryStore()
    const first = await startInjector(store)
    const second = await startInjector(store, false)
    expect(second.published).toEqual([])
    const answer = await call({ ca: first.published[0] ?? '', port: second.port, body: toReview(toPod()) })
    expect(answer.status).toBe(200)
  })

  it('is published as soon as its replica is the reporter', async () => {
    const { injector, published, election } = await startInjector(new MemoryStore(), false)
    injector.electionChanged()
    election.isReporter = true
    injector.electionChanged()
    await untilHolds(() => expect(published).toHaveLength(1))
  })

  it('starts when the API server is away, and is ready when it is back', async () => {
    const store = new MemoryStore()
    store.isAway = true
    const { injector, clock } = await startInjector(store)
    expect(injector.ready).toBe(false)
    store.isAway = false
    clock.advance(5000)
    await untilHolds(() => expect(injector.ready).toBe(true))
    expect(injector.status()).toMatchObject({ failures: { certificate: 1, publish: 0 } })
    expect(injector.status().certificateNotAfter).toBeGreaterThan(clock.now())
  })

  it('counts it when API servers can not be told whom to believe', async () => {
    const { injector, clock, refuse } = await startInjector()
    refuse.publishing = true
    clock.advance(60_000)
    await untilHolds(() => expect(injector.status().failures).toEqual({ certificate: 0, publish: 1 }))
  })
})

describe('the certificate', () => {
  const createCertificate = (store: MemoryStore, clock: VirtualClock) =>
    new WebhookCertificate({ ...options, store: store.toReplica(), clock })

  /** Whether an API server that trusts this bundle takes this leaf. */
  const isTrusted = (certificate: WebhookCertificate, caBundle: string): boolean => {
    const leaf = new X509Certificate(certificate.leaf?.chainPem ?? '')
    const authorities = caBundle.match(/-----BEGIN[^]+?END CERTIFICATE-----/g) ?? []
    return authorities.some((pem) => {
      const authority = new X509Certificate(pem)
      return leaf.checkIssued(authority) && leaf.verify(authority.publicKey)
    })
  }

  it('is renewed, and its authorities are, without a moment in which an API server does not trust it', async () => {
    const store = new MemoryStore()
    const clock = new VirtualClock()
    const [first, second] = [createCertificate(store, clock), createCertificate(store, clock)]
    const serials = new Set<string>()
    const authorities = new Set<string>()
    let publishedBundle = ''
    for (let elapsed = 0; elapsed < 400 * day; elapsed += day) {
      for (const certificate of [first, second]) {
        await certificate.maintain()
        serials.add(certificate.leaf?.serial ?? '')
        // What was published a day ago, and what has just been, are good for it.
        for (const bundle of [publishedBundle || certificate.caBundle, certificate.caBundle])
          expect(isTrusted(certificate, bundle)).toBe(true)
        expect(certificate.leaf?.notAfter).toBeGreaterThan(clock.now())
      }
      publishedBundle = first.caBundle
      for (const { certificatePem } of store.authorities) authorities.add(certificatePem)
      clock.advance(day)
    }
    expect(authorities.size).toBe(3)
    expect(store.authorities.length).toBeLessThanOrEqual(2)
    expect(serials.size).toBeGreaterThan(700)
    // It makes as many certificates.
  }, 120_000)

  it('comes from a new authority at once when the old one is lost', async () => {
    const store = new MemoryStore()
    const clock = new VirtualClock()
    const certificate = createCertificate(store, clock)
    await certificate.maintain()
    const lost = certificate.caBundle
    store.authorities = []
    await certificate.maintain()
    expect(certificate.caBundle).not.toBe(lost)
    expect(isTrusted(certificate, certificate.caBundle)).toBe(true)
  })

  it('comes from one authority, when two replicas make one at once', async () => {
    const store = new MemoryStore()
    const clock = new VirtualClock()
    const [first, second] = [createCertificate(store, clock), createCertificate(store, clock)]
    await Promise.all([first.maintain(), second.maintain()])
    expect(store.authorities).toHaveLength(1)
    expect(first.caBundle).toBe(second.caBundle)
  })
})
