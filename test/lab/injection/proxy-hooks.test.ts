import { afterEach, expect, it } from 'vitest'
import { z } from 'zod'
import { injectPod } from '#mesh/injection/inject-pod.ts'
import { defaultInjectionSettings } from '#mesh/injection/injection-settings.ts'
import { PodAndPeer } from './pod-and-peer.ts'

let pair: PodAndPeer | undefined
afterEach(async () => {
  await pair?.remove()
  pair = undefined
})

const hook = z.object({ exec: z.object({ command: z.array(z.string()) }) }).transform(({ exec }) => exec.command)
const hooks = z.object({ lifecycle: z.object({ preStop: hook, postStart: hook.optional() }) })

/** What the kubelet runs in an injected proxy's container. */
const hooksOf = (nativeSidecars: boolean, annotations: Readonly<Record<string, string>> = {}) => {
  const injected = injectPod(
    {
      metadata: { annotations: { 'proxy.istio.io/config': 'terminationDrainDuration: 1s', ...annotations } },
      spec: { containers: [{ name: 'app' }] },
    },
    { ...defaultInjectionSettings, proxyImage: 'x/y', nativeSidecars, holdApplicationUntilProxyStarts: true },
  )
  if (!injected.ok) throw new Error(JSON.stringify(injected.error))
  const { initContainers, containers } = injected.value.pod.spec
  return hooks.parse([...(initContainers ?? []), ...containers].find(({ name }) => name === 'istio-proxy')).lifecycle
}

it.each([true, false])('asks Envoy to drain before it ends (native sidecar: %s)', async (nativeSidecars) => {
  pair = await PodAndPeer.create({ ipv6: false })
  const admin = await pair.serveHttp(15_000, [200])
  await pair.execute(hooksOf(nativeSidecars).preStop)
  expect(admin.stdout().split('\n')).toEqual(['listening', 'POST /drain_listeners?graceful&inboundonly&skip_exit'])
})

it('asks the Envoy of a gateway to drain all of its listeners', async () => {
  pair = await PodAndPeer.create({ ipv6: false })
  const admin = await pair.serveHttp(15_000, [200, 200])
  await pair.execute(hooksOf(false, { 'inject.istio.io/templates': 'gateway' }).preStop)
  expect(admin.stdout().split('\n')[1]).toBe('POST /drain_listeners?graceful&skip_exit')
})

it('holds the application until the proxy is ready', async () => {
  pair = await PodAndPeer.create({ ipv6: false })
  const health = await pair.serveHttp(15_021, [503, 503, 200])
  await pair.execute(hooksOf(false).postStart ?? [])
  expect(health.stdout().split('\n')).toEqual(['listening', ...Array<string>(3).fill('GET /healthz/ready')])
})
