import { describe, expect, test } from 'vitest'
import { ingressGateway } from '#mesh/kubernetes/installed-gateways.ts'
import { account, soon, type PolicyStage } from './policy-stage.ts'

const rateLimit = (name: string, limit: object) => ({
  apiVersion: 'policy.atoll.dev/v1alpha1',
  kind: 'RateLimit',
  metadata: { name, namespace: 'shop' },
  spec: { selector: { matchLabels: { app: 'guarded' } }, limits: [{ name: 'all', ...limit }] },
})

/** How many may call captured pods, and who at a gateway. */
export const describeLimits = (theStage: () => PolicyStage): void => {
  /** How many of ten requests of a pod are let through; each cluster's pod gets half. What is too much is answered 429, or 503 by a proxy whose agent has no time. */
  const countPassed = async (from: string): Promise<number> => {
    const asked = Array.from({ length: 10 }, (_, index) =>
      theStage().ask(from, `http://in-${index % 2 === 0 ? 'east' : 'west'}/`),
    )
    const verdicts = await Promise.all(asked)
    return verdicts.filter((verdict) => verdict === account('frontend')).length
  }

  describe('RateLimit', () => {
    test('by itself counts at each pod of both clusters', async () => {
      await theStage().withinMesh(rateLimit('each', { requests: 5, per: '1h' }), async () => {
        const counts = [await countPassed('east/frontend'), await countPassed('east/frontend')]
        expect(counts).toEqual([10, 0])
      })
    })

    test('over the mesh counts both clusters together', async () => {
      const limit = { scope: 'MESH', requests: 20, per: '1h', failOpen: false }
      await theStage().withinMesh(rateLimit('together', limit), async () => {
        let passed = 0
        const goOn = async (): Promise<number> => {
          const counts = await Promise.all(['east/frontend', 'west/frontend'].map(countPassed))
          passed += counts.reduce((sum, each) => sum + each)
          return passed
        }
        await expect.poll(goOn, soon('as many are let through')).toBeGreaterThanOrEqual(20)
        // Half a burst may be ahead of what the plane has answered.
        for (let round = 0; round < 5; round++) expect(await goOn()).toBeLessThanOrEqual(30)
      })
    })
  })

  describe('a gateway', () => {
    const host = 'guarded.example'
    const { namespace } = ingressGateway
    const gatewayUrl = `http://${ingressGateway.name}.${namespace}/`
    const selector = { matchLabels: { istio: ingressGateway.istio } }
    const gateway = [
      {
        apiVersion: 'networking.istio.io/v1',
        kind: 'Gateway',
        metadata: { name: 'front', namespace },
        spec: {
          selector: selector.matchLabels,
          servers: [{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: [host] }],
        },
      },
      {
        apiVersion: 'networking.istio.io/v1',
        kind: 'VirtualService',
        metadata: { name: 'guarded', namespace },
        spec: {
          hosts: [host],
          gateways: ['front'],
          http: [{ route: [{ destination: { host: 'in-west.shop.svc.cluster.local', port: { number: 80 } } }] }],
        },
      },
    ]
    const ask = (headers: Readonly<Record<string, string>> = {}) =>
      theStage().ask('west/bare', gatewayUrl, { host, ...headers })
    const caller = account(ingressGateway.name, namespace)

    test('judges by where its clients are', async () => {
      const stage = theStage()
      const allow = (source: object) => ({
        apiVersion: 'security.istio.io/v1',
        kind: 'AuthorizationPolicy',
        metadata: { name: 'clients', namespace },
        spec: { selector, rules: [{ from: [{ source }] }] },
      })
      const { address } = stage.pod('west/bare')
      await stage.within(gateway, async () => {
        await expect.poll(() => ask(), soon('it leads to the application')).toBe(caller)
        await stage.within([allow({ notRemoteIpBlocks: [address] })], async () => {
          await expect.poll(() => ask({ 'x-forwarded-for': '192.0.2.1' }), soon('it is kept out')).toBe('403')
        })
        await stage.within([allow({ ipBlocks: [address] })], async () => {
          await expect.poll(() => ask(), soon('it is let in')).toBe(caller)
        })
      })
    })

    test('lets in by keys of a Secret; without it nobody, until it is there again', async () => {
      const stage = theStage()
      const keys = {
        apiVersion: 'policy.atoll.dev/v1alpha1',
        kind: 'ClientAuthentication',
        metadata: { name: 'partners', namespace },
        spec: { selector, apiKeys: { secretName: 'partner-keys' } },
      }
      const secret = ['secret', 'generic', 'partner-keys', '-n', namespace]
      const create = () =>
        stage.west.kubectl(['create', ...secret, '--type=atoll.dev/api-keys', '--from-literal=ann=0123456789abcdef'])
      const verdicts = () => Promise.all([ask({ 'x-api-key': '0123456789abcdef' }), ask({ 'x-api-key': 'other' })])
      await stage.within([...gateway, keys], async () => {
        await expect.poll(verdicts, soon('nobody is let in')).toEqual(['403', '403'])
        await create()
        await expect.poll(verdicts, soon('ann is let in')).toEqual([caller, '401'])
        await stage.untilSays('Effective=True Effective', 'clientauthentication', 'partners', namespace)
        await stage.west.kubectl(['delete', 'secret', 'partner-keys', '-n', namespace])
        await expect.poll(verdicts, soon('nobody is let in')).toEqual(['403', '403'])
        const told = await stage.untilSays(
          'Effective=False PartlyLeftOut',
          'clientauthentication',
          'partners',
          namespace,
        )
        expect(told).toContain(`Secret ${namespace}/partner-keys`)
        await create()
        await expect.poll(verdicts, soon('ann is let in again')).toEqual([caller, '401'])
      })
    })
  })
}
