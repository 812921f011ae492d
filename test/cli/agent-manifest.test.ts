import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { loadConfig } from '#agent/config.ts'
import { buildManifests } from '#cli/kubernetes/manifests/build-manifests.ts'
import type { InstallSettings } from '#cli/kubernetes/manifests/install-settings.ts'
import { agentConfigMap } from '#mesh/kubernetes/conventions.ts'

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
    xdsAddress: { host: '0.0.0.0', port: 15_010 },
    registry: { kind: 'kubernetes', injection: { proxyImage: 'atoll/proxy:1', revision: 'atoll' } },
  })
})
