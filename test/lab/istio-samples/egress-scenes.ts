import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { proxyAdminPort, proxyContainer } from '#mesh/kubernetes/conventions.ts'
import { egressGateway, istioNamespace } from '#mesh/kubernetes/installed-gateways.ts'
import { eventually } from '#test/harness/child.ts'
import { Client } from '../mesh/client.ts'
import { readPlatform } from './istio-files.ts'
import type { SamplesStage } from './samples-stage.ts'
import * as tasks from './tasks.ts'

const namespace = 'default'

export const describeEgress = (stage: () => SamplesStage): void => {
  let client: Client
  let applied: string[] = []

  const apply = async (yaml: string) => {
    applied.push(yaml)
    await stage().apply(stage().east, namespace, yaml)
  }
  const ask = async (url: string, ...options: readonly string[]) => {
    const [answer] = await client.call(url, 1, '--include', ...options)
    return `${answer?.failure ?? '200'} ${answer?.body}`
  }
  const untilAnswered = (url: string, isExpected: (answer: string) => boolean): Promise<string> =>
    eventually(`the answer to ${url}`, async () => {
      const answer = await ask(url)
      if (!isExpected(answer)) throw new Error(answer)
      return answer
    })
  const isTls = (answer: string) => answer.includes('"isTls":true')
  /** How often the gateway has connected to somebody outside. */
  const countThroughGateway = async (): Promise<number> => {
    const { east } = stage()
    const [pod] = await east.waitForPods(istioNamespace, `istio=${egressGateway.istio}`)
    const url = `http://127.0.0.1:${proxyAdminPort}/clusters`
    const { stdout } = await east.exec(istioNamespace, pod?.name ?? '', proxyContainer, ['curl', '-s', url])
    const counts = stdout.matchAll(/^[^:]*\bedition\.cnn\.com.*::cx_total::(\d+)$/gm)
    return [...counts].reduce((sum, [, count]) => sum + Number(count), 0)
  }
  beforeAll(async () => {
    const { east } = stage()
    await east.kubectl(['label', 'namespace', namespace, 'istio-injection=enabled'])
    await stage().apply(east, namespace, await readPlatform('sleep/sleep'))
    await stage().untilReady(east, namespace)
    client = new Client(east, namespace, ['sleep', 'sleep'])
  }, 120_000)
  afterEach(async () => {
    for (const yaml of applied) await stage().remove(stage().east, namespace, yaml)
    applied = []
  })

  describe("Istio's egress tasks", () => {
    test('what nobody has told of is reached, until the mesh says REGISTRY_ONLY', async () => {
      const { world } = stage().mesh
      await untilAnswered('https://www.google.com/', isTls)
      await world.atoll(['mesh', 'set', '--outbound-policy', 'registry-only'])
      await untilAnswered('https://www.google.com/', (answer) => answer.startsWith('000'))
      await apply(tasks.externalHttp)
      await apply(tasks.externalHttps)
      await untilAnswered('http://httpbin.org/headers', (answer) => answer.includes('"host":"httpbin.org"'))
      await untilAnswered('https://www.google.com/', isTls)
      expect(await ask('https://edition.cnn.com/')).toMatch(/^000/)
      await world.atoll(['mesh', 'set', '--outbound-policy', 'allow-any'])
    })

    test('a VirtualService bounds how long somebody outside may take', async () => {
      await apply(tasks.externalHttp)
      await apply(tasks.externalTimeout)
      const answer = await untilAnswered('http://httpbin.org/delay/4', (given) => !given.startsWith('200'))
      expect(answer).toMatch(/^504 .*upstream request timeout/)
    })

    const isMoved = (answer: string) => answer.startsWith('301')
    test.each([
      ['HTTP leaves by the egress gateway', tasks.gatewayHttp, 'http', isMoved],
      ['HTTPS leaves by the egress gateway, which passes it on', tasks.gatewayHttps, 'https', isTls],
      ['the egress gateway, led to by mutual TLS, makes HTTPS of HTTP', tasks.gatewayOrigination, 'http', isTls],
    ] as const)('%s', async (_what, yaml, scheme, isExpected) => {
      const before = await countThroughGateway()
      await apply(yaml)
      const answer = await eventually('it leaves by the gateway', async () => {
        const given = await untilAnswered(`${scheme}://edition.cnn.com/politics`, isExpected)
        return (await countThroughGateway()) !== before && given
      })
      expect(isExpected(answer)).toBe(true)
    })

    test('a sidecar makes HTTPS of HTTP, and HTTPS of the application stays', async () => {
      await apply(tasks.sidecarOrigination)
      const answers = [
        await untilAnswered('http://edition.cnn.com/politics', isTls),
        await untilAnswered('https://edition.cnn.com/politics', isTls),
      ]
      expect(answers.map((answer) => answer.slice(0, 3))).toEqual(['200', '200'])
    })
  })
}
