import { describe, expect, test } from 'vitest'
import { puppetPorts } from '../capture/errand.ts'
import { account, policy, soon, type PolicyStage } from './policy-stage.ts'

const frontend = account('frontend')

/** How captured ports take connections, and who follows that. */
export const describePeers = (theStage: () => PolicyStage): void => {
  describe('PeerAuthentication', () => {
    /** Of a pod without a proxy, by Service and by address; then of callers with one in both clusters. */
    const verdicts = async () => {
      const stage = theStage()
      const there = `${stage.pod('west/guarded').address}:${puppetPorts.http}`
      return Promise.all([
        stage.ask('west/bare', 'http://in-west.shop/'),
        stage.ask('west/bare', `http://${there}/`),
        stage.ask('west/frontend', 'http://in-west/'),
        stage.ask('east/frontend', 'http://in-west/'),
      ])
    }

    test('strict unless said otherwise: who has no proxy is refused, and who has one is known, in another cluster too', async () => {
      await expect.poll(verdicts, soon('the pods call each other')).toEqual(['refused', 'refused', frontend, frontend])
    })

    test('PERMISSIVE of a cluster takes both, and its status says that it holds', async () => {
      const stage = theStage()
      await stage.within([policy('PeerAuthentication', 'guarded', { mtls: { mode: 'PERMISSIVE' } })], async () => {
        await expect.poll(verdicts, soon('both are taken')).toEqual(['nobody', 'nobody', frontend, frontend])
        await stage.untilSays('Effective=True Effective', 'peerauthentication', 'guarded')
        const { address } = stage.pod('west/guarded')
        expect(await stage.talk('west/bare', address, puppetPorts.echo)).toBe('answered')
      })
    })

    test('a port with DISABLE takes plaintext alone: callers with a proxy follow, in another cluster too', async () => {
      const stage = theStage()
      const portLevelMtls = { [puppetPorts.http]: { mode: 'DISABLE' } }
      await stage.within(
        [policy('PeerAuthentication', 'guarded', { mtls: { mode: 'STRICT' }, portLevelMtls })],
        async () => {
          await expect
            .poll(verdicts, soon('all are taken in plaintext'))
            .toEqual(['nobody', 'nobody', 'nobody', 'nobody'])
          const { address } = stage.pod('west/guarded')
          expect(await stage.talk('west/bare', address, puppetPorts.echo)).toBe('closed')
          expect(await stage.talk('east/frontend', 'in-west', puppetPorts.echo)).toBe('answered')
        },
      )
      await expect.poll(verdicts, soon('it is strict again')).toEqual(['refused', 'refused', frontend, frontend])
    })
  })

  describe('probes of the kubelet', () => {
    test('by HTTP, TCP, gRPC and a command follow the application where mutual TLS is strict and a policy denies everybody', async () => {
      const stage = theStage()
      const nothing = {
        apiVersion: 'security.istio.io/v1',
        kind: 'AuthorizationPolicy',
        metadata: { name: 'nothing', namespace: 'shop' },
        spec: { action: 'DENY', rules: [{}] },
      }
      await stage.within([nothing], async () => {
        await expect.poll(() => stage.ask('west/frontend', 'http://in-west/'), soon('nobody is let in')).toBe('403')
        const ready = () => stage.readyOfProbed()
        await expect.poll(ready, soon('a command is run')).toEqual(['exec'])
        const probed = await stage.probed()
        const apps = ['http', 'tcp', 'grpc'] as const
        for (const app of apps) await probed.serve(app)
        await expect.poll(ready, soon('all are ready')).toEqual(['app', 'exec', 'grpc', 'tcp'])
        for (const app of apps) await probed.end(app)
        await expect.poll(ready, soon('they are found out')).toEqual(['exec'])
      })
    })
  })
}
