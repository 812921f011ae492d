import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { ingressGateway } from '#mesh/kubernetes/installed-gateways.ts'
import { eventually } from '#test/harness/child.ts'
import { writeOwnCertificate } from '#test/harness/server-certificate.ts'
import type { SamplesStage } from './samples-stage.ts'
import { visit } from './visit.ts'

const secure = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: secure}
spec:
  selector: {istio: ingressgateway}
  servers:
    - port: {number: 80, name: http, protocol: HTTP}
      hosts: [ratings.bookinfo.example]
    - port: {number: 443, name: https, protocol: HTTPS}
      hosts: [ratings.bookinfo.example, page.bookinfo.example]
      tls: {mode: SIMPLE, credentialName: front}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: outside}
spec:
  hosts: [ratings.bookinfo.example]
  gateways: [secure]
  http: [{route: [{destination: {host: ratings}}]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: outside-page}
spec:
  hosts: [page.bookinfo.example]
  gateways: [secure]
  http: [{route: [{destination: {host: productpage}}]}]
`

/** Of one's own, with Bookinfo behind it. */
const edge = `
apiVersion: v1
kind: Namespace
metadata: {name: edge, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Service
metadata: {name: edge, namespace: edge}
spec:
  type: LoadBalancer
  selector: {istio: edge}
  ports: [{port: 80, name: http}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: edge, namespace: edge}
spec:
  selector: {matchLabels: {istio: edge}}
  template:
    metadata:
      annotations: {inject.istio.io/templates: gateway}
      labels: {istio: edge, sidecar.istio.io/inject: "true"}
    spec:
      containers: [{name: istio-proxy, image: auto}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: bookinfo}
spec:
  selector: {istio: edge}
  servers:
    - {port: {number: 80, name: http, protocol: HTTP}, hosts: [edge.example]}
    - {port: {number: 443, name: https, protocol: HTTPS}, hosts: [edge.example], tls: {mode: SIMPLE, credentialName: edge}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: edge, namespace: bookinfo}
spec:
  hosts: [edge.example]
  gateways: [edge]
  http: [{route: [{destination: {host: details}}]}]
`

export const describeCertificates = (stage: () => SamplesStage): void => {
  let address: string
  beforeAll(async () => {
    address = await stage().ingressAddress()
  })

  const conditionOf = async (gateway: string): Promise<string> => {
    const path = 'jsonpath={.status.conditions[*].message}'
    return (await stage().east.kubectl(['get', 'gateways.networking.istio.io', gateway, '-n', 'bookinfo', '-o', path]))
      .stdout
  }

  describe('Gateways with certificates', () => {
    const ratings = { host: 'ratings.bookinfo.example', path: '/ratings/0' }

    /** A certificate that vouches for itself, in a Secret of the gateway's namespace. */
    const putSecret = async (name: string, keyOf = name): Promise<string> => {
      const { file } = await writeOwnCertificate(stage().folder, name, { type: 'dns', value: '*.bookinfo.example' })
      const args = ['create', 'secret', 'tls', 'front', '-n', ingressGateway.namespace, `--cert=${file}`]
      const key = join(stage().folder, `${keyOf}-key.pem`)
      // `kubectl create secret tls` refuses what does not fit together.
      const made =
        keyOf === name
          ? (await stage().east.kubectl([...args, `--key=${key}`, '--dry-run=client', '-o', 'yaml'])).stdout
          : JSON.stringify({
              apiVersion: 'v1',
              kind: 'Secret',
              metadata: { name: 'front', namespace: ingressGateway.namespace },
              type: 'kubernetes.io/tls',
              data: { 'tls.crt': await readBase64(file), 'tls.key': await readBase64(key) },
            })
      await stage().east.kubectl(['apply', '-f', '-'], { input: made })
      return readFile(file, 'utf8')
    }
    const readBase64 = async (file: string) => (await readFile(file)).toString('base64')

    test('a Secret that is missing is told of at the Gateway, and plaintext goes on', async () => {
      await stage().apply(stage().east, 'bookinfo', secure)
      await eventually('it is told of', async () =>
        (await conditionOf('secure')).includes('server https: Secret atoll-ingress/front is not there'),
      )
      const answer = await eventually('ratings answer on port 80, from the other cluster', async () => {
        const { status, body } = await visit({ address, ...ratings })
        return status === 200 && body
      })
      expect(answer).toContain('"ratings"')
    })

    test('with it, 443 answers by SNI for services here and in the other cluster', async () => {
      const ca = await putSecret('first')
      await eventually('ratings answer', async () => (await visit({ address, ca, ...ratings })).status === 200)
      const page = await visit({ address, ca, host: 'page.bookinfo.example', path: '/productpage' })
      expect(page.body).toContain('Book Details')
      await expect(visit({ address, ca, host: 'other.bookinfo.example', path: '/' })).rejects.toThrow(
        /hang up|ECONNRESET|disconnected/,
      )
      await eventually('nothing is told of any more', async () => !(await conditionOf('secure')).includes('Secret'))
    })

    test('a new certificate holds for new connections, and one with another key is refused', async () => {
      const before = await readFile(join(stage().folder, 'first.pem'), 'utf8')
      const { fingerprint } = await visit({ address, ca: before, ...ratings })
      const ca = await putSecret('second')
      const renewed = await eventually(
        'the new one is served',
        async () => (await visit({ address, ca, ...ratings })).fingerprint,
      )
      expect(renewed).not.toBe(fingerprint)
      await putSecret('third', 'second')
      await eventually('it is told of', async () => (await conditionOf('secure')).includes('its key is not that of'))
      expect((await visit({ address, ca, ...ratings })).fingerprint).toBe(renewed)
    })
  })

  test("a gateway of one's own is injected, listens on port 80, and may not read Secrets until a Role lets it", async () => {
    await stage().east.apply(edge)
    const own = await stage().addressOf('edge', 'edge')
    const answer = await eventually('details answer', async () => {
      const { status, body } = await visit({ address: own, host: 'edge.example', path: '/details/0' })
      return status === 200 && body
    })
    expect(answer).toContain('PublisherA')
    await eventually('it is told of', async () =>
      /Secret edge\/edge can not be read: .* 403 Forbidden/.test(await conditionOf('edge')),
    )
  })
}
