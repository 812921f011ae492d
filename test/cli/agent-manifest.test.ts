import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { loadConfig } from '#agent/config.ts'
import { buildManifests } from '#cli/kubernetes/manifests/build-manifests.ts'
import type { InstallSettings } from '#cli/kubernetes/manifests/install-settings.ts'
import { agentConfigMap, agentName } from '#mesh/kubernetes/conventions.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'atoll-manifest-'))
})
afterAll(() => rm(folder, { recursive: true }))

const settings: InstallSettings = {
  cluster: 'east',
  network: 'flat',
  plane: 'https://plane.example',
  planeCa: 'PEM',
  telemetryForward: [
    { endpoint: 'http://collector.observability:4318', signals: ['traces'], slowMilliseconds: 250 },
    {
      endpoint: 'https://otlp.example/otlp',
      headersSecret: { name: 'otlp', key: 'token' },
      caConfigMap: { name: 'authorities', key: 'ca.crt' },
    },
  ],
  image: 'atoll/agent:1',
  proxyImage: 'atoll/proxy:1',
  replicas: 2,
  gateway: { service: 'NodePort', addresses: ['192.0.2.1:15443'] },
  failurePolicy: 'Fail',
  revision: 'atoll',
}

it('holds a configuration that the agent takes', async () => {
  const found = buildManifests(settings).find(
    ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === agentConfigMap,
  )
  const files = z.record(z.string(), z.string()).parse(found?.['data'])
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
  expect(Object.keys(files)).toEqual(['agent.yaml', 'plane-ca.pem'])
  expect(loadConfig(join(folder, 'agent.yaml'), {}, {})).toMatchObject({
    plane: 'https://plane.example',
    network: 'flat',
    planeCaFile: join(folder, 'plane-ca.pem'),
    gateways: [{ address: '192.0.2.1', port: 15_443 }],
    telemetryForward: [
      { endpoint: 'http://collector.observability:4318', signals: ['traces'], slowMilliseconds: 250 },
      {
        endpoint: 'https://otlp.example/otlp',
        headersFile: '/etc/atoll/forward/1/headers/headers',
        caFile: '/etc/atoll/forward/1/ca/ca.pem',
      },
    ],
    xdsAddress: { host: '0.0.0.0', port: 15_010 },
    registry: { kind: 'kubernetes', injection: { proxyImage: 'atoll/proxy:1', revision: 'atoll' } },
  })
})

it('mounts what backends of telemetry are asked with from where it is kept, to be read only', () => {
  const found = buildManifests(settings).find(
    ({ kind, metadata }) => kind === 'Deployment' && metadata.name === agentName,
  )
  expect(found).toMatchObject({
    spec: {
      template: {
        spec: {
          containers: [
            {
              volumeMounts: expect.arrayContaining([
                { name: 'forward-1-headers', mountPath: '/etc/atoll/forward/1/headers', readOnly: true },
                { name: 'forward-1-ca', mountPath: '/etc/atoll/forward/1/ca', readOnly: true },
              ]) as object,
            },
          ],
          volumes: expect.arrayContaining([
            {
              name: 'forward-1-headers',
              secret: { secretName: 'otlp', optional: true, items: [{ key: 'token', path: 'headers' }] },
            },
            { name: 'forward-1-ca', configMap: { name: 'authorities', items: [{ key: 'ca.crt', path: 'ca.pem' }] } },
          ]) as object,
        },
      },
    },
  })
})
