import { describe, expect, test } from 'vitest'
import { puppetPorts } from '../capture/errand.ts'
import { account, policy, soon, type PolicyStage } from './policy-stage.ts'

const host = 'in-west.shop'
const url = `http://${host}/`
const callers = ['west/frontend', 'east/frontend', 'east/guarded', 'east/visitor'] as const

/** Who may call a captured pod of west, by what its proxy sees of callers in both clusters. */
export const describeAccess = (theStage: () => PolicyStage): void => {
  /** Which of the callers are let in. */
  const letIn = async (): Promise<readonly string[]> => {
    const stage = theStage()
    const verdicts = await Promise.all(callers.map(async (from) => [from, await stage.ask(from, url)] as const))
    for (const [from, verdict] of verdicts) if (!/^(spiffe:|403$)/.test(verdict)) throw new Error(`${from}: ${verdict}`)
    return verdicts.flatMap(([from, verdict]) => (verdict === '403' ? [] : [from]))
  }
  const authorization = (spec: Readonly<Record<string, unknown>>) => policy('AuthorizationPolicy', 'guarded', spec)
  const allow = (source: object) => authorization({ rules: [{ from: [{ source }] }] })

  describe('AuthorizationPolicy', () => {
    const addressOf = (name: string) => theStage().pod(name).address

    test.each<[string, () => object, readonly string[]]>([
      [
        'principals',
        () => ({ principals: ['lab.atoll.local/ns/shop/sa/frontend'] }),
        ['west/frontend', 'east/frontend'],
      ],
      ['namespaces', () => ({ namespaces: ['plain'] }), ['east/visitor']],
      ['serviceAccounts', () => ({ serviceAccounts: ['shop/guarded'] }), ['east/guarded']],
      ['ipBlocks, of pods as they are', () => ({ ipBlocks: [addressOf('east/frontend')] }), ['east/frontend']],
      ['remoteIpBlocks', () => ({ remoteIpBlocks: [`${addressOf('west/frontend')}/32`] }), ['west/frontend']],
    ])('of a cluster lets in by %s', async (_what, source, expected) => {
      const stage = theStage()
      await stage.within([allow(source())], async () => {
        await expect.poll(letIn, soon('those and no others')).toEqual(expected)
        await stage.untilSays('Effective=True Effective', 'authorizationpolicy', 'guarded')
      })
      await expect.poll(letIn, soon('everybody is let in again')).toEqual(callers)
    })

    test('of the mesh says which clusters may speak for a namespace, at captured ports of HTTP and TCP', async () => {
      const stage = theStage()
      const talks = () => Promise.all(callers.map((from) => stage.talk(from, host, puppetPorts.echo)))
      const isInWest = {
        from: [{ source: { namespaces: ['shop'] } }],
        when: [{ key: 'source.cluster', notValues: ['west'] }],
      }
      await stage.withinMesh(authorization({ action: 'DENY', rules: [isInWest] }), async () => {
        await expect.poll(letIn, soon('east does not speak for shop')).toEqual(['west/frontend', 'east/visitor'])
        await expect.poll(talks, soon('nor by TCP')).toEqual(['answered', 'closed', 'closed', 'answered'])
      })
      await expect.poll(letIn, soon('everybody is let in again')).toEqual(callers)
    })

    test('of DENY at a TCP port is about that port, and closes what is open there', async () => {
      const stage = theStage()
      const open = await stage.pod('east/guarded').does.open(host, puppetPorts.echo)
      expect(await open('hello')).toBe('hello')
      const rules = [
        { from: [{ source: { serviceAccounts: ['shop/guarded'] } }], to: [{ operation: { ports: ['9000'] } }] },
      ]
      await stage.within([authorization({ action: 'DENY', rules })], async () => {
        await expect.poll(() => stage.talk('east/guarded', host, puppetPorts.echo), soon('it is closed')).toBe('closed')
        expect(await stage.talk('east/frontend', host, puppetPorts.echo)).toBe('answered')
        expect(await letIn()).toEqual(callers)
        expect(await open('')).toBe('')
      })
    })

    test('that can not be understood closes its own workloads, and its status says where it is wrong', async () => {
      const stage = theStage()
      await stage.within(
        [authorization({ rules: [{ when: [{ key: 'source.nonsense', values: ['x'] }] }] })],
        async () => {
          await expect.poll(letIn, soon('nobody is let in')).toEqual([])
          const message = await stage.untilSays('Accepted=False Invalid', 'authorizationpolicy', 'guarded')
          expect(message).toContain('spec.rules[0].when[0].key')
          await stage.untilSays('Effective=False Closed', 'authorizationpolicy', 'guarded')
          // It is an object of west's.
          expect(await stage.ask('west/frontend', 'http://in-east/')).toBe(account('frontend'))
        },
      )
      await expect.poll(letIn, soon('everybody is let in again')).toEqual(callers)
    })
  })

  describe('RequestAuthentication', () => {
    test('verifies tokens by keys that a Service of the cluster serves', async () => {
      const stage = theStage()
      const { issuer } = stage
      const jwtRules = [{ issuer: issuer.issuer, jwksUri: 'http://issuer.plain.svc.cluster.local/keys' }]
      const tokens = policy('RequestAuthentication', 'guarded', { jwtRules })
      await stage.within([tokens, allow({ requestPrincipals: [`${issuer.issuer}/alice`] })], async () => {
        const verdicts = () =>
          Promise.all(
            [issuer.sign(), issuer.sign({ sub: 'bob' }), issuer.sign({ exp: 1 }), undefined].map((token) =>
              stage.ask('east/frontend', url, token === undefined ? {} : { authorization: `Bearer ${token}` }),
            ),
          )
        await expect.poll(verdicts, soon('alice is let in')).toEqual([account('frontend'), '403', '401', '403'])
        await stage.untilSays('Effective=True Effective', 'requestauthentication', 'guarded')
      })
    })
  })

  describe('CUSTOM', () => {
    test('is decided by a Service of the cluster, and by nobody while it is gone', async () => {
      const stage = theStage()
      const { world } = stage.mesh
      const provider = {
        service: 'authorizer.shop.svc.cluster.local',
        port: 80,
        includeRequestHeadersInCheck: ['x-token'],
      }
      const settings = { extensionProviders: [{ name: 'authorizer', envoyExtAuthzHttp: provider }] }
      await world.atoll(['mesh', 'set', world.mesh, '--mesh-config', '-'], { input: JSON.stringify(settings) })
      const custom = authorization({
        action: 'CUSTOM',
        provider: { name: 'authorizer' },
        rules: [{ to: [{ operation: { ports: [String(puppetPorts.http)] } }] }],
      })
      await stage.within([custom], async () => {
        const verdicts = () =>
          Promise.all(['good', 'bad'].map((token) => stage.ask('east/frontend', url, { 'x-token': token })))
        await expect.poll(verdicts, soon('it is asked')).toEqual([account('frontend'), '403'])
        await stage.untilSays('Effective=True Effective', 'authorizationpolicy', 'guarded')
        await stage.west.kubectl(['scale', 'deployment/authorizer', '-n', 'shop', '--replicas=0'])
        await expect.poll(verdicts, soon('nobody is let in')).toEqual(['403', '403'])
      })
    })
  })
}
