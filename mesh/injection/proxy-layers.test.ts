import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { ConfigObject } from '#mesh/config-object.ts'
import { MeshViewStore } from '#mesh/mesh-view-store.ts'
import { east, makeObject, network1, settings, trust } from '#test/mesh/records.ts'
import { defaultInjectionSettings } from './injection-settings.ts'
import { injectPod } from './inject-pod.ts'
import { findProxyLayers } from './proxy-layers.ts'

const meshConfig = {
  rootNamespace: 'root',
  defaultConfig: { concurrency: 1, proxyMetadata: { MESH: 'mesh', WHO: 'mesh' }, fileFlushInterval: '1s' },
}
const object = (namespace: string, name: string, spec: ConfigObject['spec'], creationTimestamp?: string) =>
  makeObject('ProxyConfig', name, spec, { namespace, ...(creationTimestamp !== undefined && { creationTimestamp }) })

const ofRoot = object('root', 'all', { concurrency: 2, environmentVariables: { WHO: 'root', ROOT: 'root' } })
const ofNamespace = object('shop', 'all', { concurrency: 3, environmentVariables: { WHO: 'shop' } })
const ofWorkload = object('shop', 'web', { selector: { matchLabels: { app: 'web' } }, concurrency: 5 })
const annotation = { 'proxy.istio.io/config': 'concurrency: 4\nproxyMetadata: {WHO: pod}' }

const toContainer = z.object({
  args: z.array(z.string()),
  env: z.array(z.object({ name: z.string(), value: z.string().optional() })),
})

interface Case {
  readonly objects?: readonly ConfigObject[]
  readonly annotations?: Readonly<Record<string, string>>
  readonly labels?: Readonly<Record<string, string>>
  readonly namespace?: string
}

/** Threads and variables of the proxy of a pod `app: web` in `shop`, unless told otherwise. */
const inject = ({ objects = [], annotations = {}, labels = { app: 'web' }, namespace = 'shop' }: Case) => {
  const view = new MeshViewStore({
    localCluster: east,
    localNetwork: network1,
    settings: { ...settings, meshConfig },
    trust,
  })
  view.apply(
    objects.map((value) => ({
      kind: 'config',
      origin: 'mesh',
      key: `ProxyConfig/${value.metadata.namespace}/${value.metadata.name}`,
      value,
    })),
  )
  const injected = injectPod(
    { metadata: { labels, annotations }, spec: { containers: [{ name: 'app' }] } },
    { ...defaultInjectionSettings, proxyImage: 'x/y' },
    findProxyLayers(view, namespace, labels),
  )
  if (!injected.ok) throw new Error(JSON.stringify(injected.error))
  const proxy = injected.value.pod.spec.initContainers?.find(({ name }) => name === 'istio-proxy')
  const { args, env } = toContainer.parse(proxy)
  return {
    threads: args[args.indexOf('--concurrency') + 1],
    flush: args[args.indexOf('--file-flush-interval-msec') + 1],
    env: Object.fromEntries(env.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]]))),
  }
}

describe('how a proxy runs', () => {
  it.each<[string, Case, string, object]>([
    ['the mesh', {}, '1', { MESH: 'mesh', WHO: 'mesh' }],
    ['the root namespace', { objects: [ofRoot] }, '2', { MESH: 'mesh', WHO: 'root', ROOT: 'root' }],
    ['the namespace', { objects: [ofRoot, ofNamespace] }, '3', { MESH: 'mesh', WHO: 'shop', ROOT: 'root' }],
    [
      'the pod',
      { objects: [ofRoot, ofNamespace], annotations: annotation },
      '4',
      { MESH: 'mesh', WHO: 'pod', ROOT: 'root' },
    ],
    [
      'what selects the pod',
      { objects: [ofRoot, ofNamespace, ofWorkload], annotations: annotation },
      '5',
      { MESH: 'mesh', WHO: 'pod', ROOT: 'root' },
    ],
    ['what selects another pod', { objects: [ofWorkload], labels: { app: 'api' } }, '1', { MESH: 'mesh', WHO: 'mesh' }],
    [
      'another namespace',
      { objects: [ofNamespace, ofWorkload], namespace: 'other' },
      '1',
      { MESH: 'mesh', WHO: 'mesh' },
    ],
    [
      'a selector that selects nothing',
      { objects: [object('shop', 'none', { selector: {}, concurrency: 9 })] },
      '1',
      {},
    ],
    [
      'the oldest of several',
      {
        objects: [
          object('shop', 'a', { concurrency: 7 }, '2026-02-01T00:00:00Z'),
          object('shop', 'b', { concurrency: 6 }, '2026-01-01T00:00:00Z'),
        ],
      },
      '6',
      {},
    ],
  ])('is said by %s', (_, given, threads, env) => {
    expect(inject(given)).toMatchObject({ threads, env, flush: '1000' })
  })
})
