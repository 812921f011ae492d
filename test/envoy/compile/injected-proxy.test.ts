import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { stringify } from 'yaml'
import { z } from 'zod'
import { defaultInjectionSettings } from '#mesh/injection/injection-settings.ts'
import { injectPod } from '#mesh/injection/inject-pod.ts'
import { findProxyLayers } from '#mesh/injection/proxy-layers.ts'
import { MeshViewStore } from '#mesh/mesh-view-store.ts'
import { Child, eventually } from '#test/harness/child.ts'
import { freePort } from '#test/harness/world.ts'
import { east, makeObject, network1, settings, trust } from '#test/mesh/records.ts'
import { envoyPath } from '../../../scripts/envoy-path.mjs'

const container = z.object({
  args: z.array(z.string()),
  env: z.array(z.object({ name: z.string(), value: z.string().optional() })),
})
const serverInfo = z.object({
  command_line_options: z.object({
    concurrency: z.int(),
    drain_strategy: z.string(),
    file_flush_interval: z.string(),
  }),
})

/** The container of a pod's proxy where the mesh, a namespace and the pod say how it runs. */
const injectProxy = () => {
  const defaultConfig = {
    fileFlushInterval: '1s',
    fileFlushMinSizeKb: 8,
    concurrency: 1,
    proxyMetadata: { A: 'mesh', B: 'mesh' },
  }
  const start = {
    localCluster: east,
    localNetwork: network1,
    settings: { ...settings, meshConfig: { defaultConfig } },
    trust,
  }
  const view = new MeshViewStore(start)
  const value = makeObject('ProxyConfig', 'all', {
    concurrency: 2,
    environmentVariables: { B: 'namespace', C: 'namespace' },
  })
  view.apply([{ kind: 'config', origin: 'cluster', key: 'ProxyConfig/default/all', value }])
  const pod = {
    metadata: { annotations: { 'proxy.istio.io/config': '{concurrency: 3, proxyMetadata: {C: pod}}' } },
    spec: { containers: [{ name: 'app' }] },
  }
  const injected = injectPod(
    pod,
    { ...defaultInjectionSettings, proxyImage: 'x/y' },
    findProxyLayers(view, 'default', {}),
  )
  if (!injected.ok) throw new Error(JSON.stringify(injected.error))
  return container.parse(injected.value.pod.spec.initContainers?.find(({ name }) => name === 'istio-proxy'))
}

test('an injected Envoy runs as the mesh, its namespace and its pod say', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'atoll-injected-'))
  const [port, { args, env }] = [await freePort(), injectProxy()]
  const file = join(folder, 'envoy.yaml')
  const log = {
    '@type': 'type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog',
    log_format: { text_format_source: { inline_string: 'A=%ENVIRONMENT(A)% B=%ENVIRONMENT(B)% C=%ENVIRONMENT(C)%\n' } },
  }
  const admin = {
    address: { socket_address: { address: '127.0.0.1', port_value: port } },
    access_log: [{ name: 'stdout', typed_config: log }],
  }
  await writeFile(file, stringify({ admin }))
  const envoy = new Child({
    name: 'envoy',
    command: envoyPath(),
    args: args.map((text) => (text.endsWith('/envoy.yaml') ? file : text)),
    env: Object.fromEntries(env.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]]))),
  })
  try {
    const ask = () => fetch(`http://127.0.0.1:${port}/server_info`)
    await eventually('Envoy answers', async () => (await ask()).ok)
    expect(serverInfo.parse(await (await ask()).json()).command_line_options).toMatchObject({
      concurrency: 3,
      drain_strategy: 'Immediate',
      file_flush_interval: '1s',
    })
    await envoy.waitForLine(/^A=mesh B=namespace C=pod$/)
  } finally {
    await envoy.stop()
    await rm(folder, { recursive: true, force: true })
  }
})
