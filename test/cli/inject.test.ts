import { describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { runFake } from './fake-io.ts'

const inject = (stdin: string, ...more: string[]) => runFake(['inject', '-f', '-', ...more], { stdin })
const valuesOf = (text: string): unknown[] => parseAllDocuments(text).map((document): unknown => document.toJS())

const template = (annotations = '{}') => `
    metadata: {annotations: ${annotations}}
    spec: {containers: [{name: app, image: app}]}`
const workload = (apiVersion: string, kind: string) => `apiVersion: ${apiVersion}
kind: ${kind}
metadata: {name: web}
spec:
  template:${template()}
`

describe('atoll inject', () => {
  it.each([
    ['apps/v1', 'Deployment'],
    ['apps/v1', 'StatefulSet'],
    ['apps/v1', 'DaemonSet'],
    ['apps/v1', 'ReplicaSet'],
    ['batch/v1', 'Job'],
  ])('puts the proxy into the pods of a %s %s', async (apiVersion, kind) => {
    const { code, stdout, stderr } = await inject(workload(apiVersion, kind), '--proxy-image', 'registry.test/proxy:1')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(valuesOf(stdout)).toMatchObject([
      {
        kind,
        metadata: { name: 'web' },
        spec: {
          template: {
            spec: { initContainers: [{ name: 'istio-init' }, { name: 'istio-proxy', image: 'registry.test/proxy:1' }] },
          },
        },
      },
    ])
  })

  it('finds the pods of a CronJob, a Pod, and of the items of a List', async () => {
    const { stdout } = await inject(`apiVersion: v1
kind: List
items:
- apiVersion: batch/v1
  kind: CronJob
  metadata: {name: nightly}
  spec: {jobTemplate: {spec: {template: {spec: {containers: [{name: app}]}}}}}
- {apiVersion: v1, kind: Pod, metadata: {name: one}, spec: {containers: [{name: app}]}}
`)
    expect(stdout.match(/name: istio-proxy/g)).toHaveLength(2)
  })

  it('leaves everything else as kubectl reads it', async () => {
    const { stdout } = await inject(`# a comment
apiVersion: v1
kind: ConfigMap
data: {mode: "0644", switch: "on", date: 2026-01-01}
---
apiVersion: apps/v1
kind: Deployment
metadata: {namespace: shop, name: web}
spec:
  paused: no
  template:
    spec:
      volumes: [{name: data, configMap: {name: x, defaultMode: 0644}}]
      containers: [{name: app}]
`)
    const [map, deployment] = valuesOf(stdout)
    expect(map).toEqual({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      data: { mode: '0644', switch: 'on', date: '2026-01-01' },
    })
    expect(stdout).toContain('switch: "on"')
    expect(deployment).toMatchObject({
      spec: {
        paused: false,
        template: {
          spec: { volumes: expect.arrayContaining([{ name: 'data', configMap: { name: 'x', defaultMode: 420 } }]) },
        },
      },
    })
  })

  it('changes nothing the second time, and says so', async () => {
    const once = await inject(workload('apps/v1', 'Deployment'))
    const twice = await inject(once.stdout)
    expect(twice.stdout).toBe(once.stdout)
    expect(twice.stderr).toBe(
      'Deployment default/web is left as it is: it is injected already\nThere is nothing to put a proxy into\n',
    )
  })

  it('makes an ordinary container where it is asked to', async () => {
    const { stdout } = await inject(workload('apps/v1', 'Deployment'), '--no-native-sidecars', '--hold')
    expect(valuesOf(stdout)).toMatchObject([
      {
        spec: {
          template: { spec: { containers: [{ name: 'istio-proxy', lifecycle: { postStart: {} } }, { name: 'app' }] } },
        },
      },
    ])
  })

  it('says in which file and line an annotation is malformed', async () => {
    const { code, stdout, stderr } = await inject(`${workload('apps/v1', 'Deployment')}---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api}
spec:
  template:
    metadata:
      annotations:
        sidecar.istio.io/proxyCPU: lots
    spec: {containers: [{name: app}]}
`)
    expect({ code, stdout }).toEqual({ code: 7, stdout: '' })
    expect(stderr).toContain('standard input:16 ')
    expect(stderr).toContain(
      'spec.template.metadata.annotations["sidecar.istio.io/proxyCPU"]: "lots" is not a quantity',
    )
  })

  it.each([
    ['what is not YAML', 'a: [', 'standard input:'],
    ['a pod that is none', workload('apps/v1', 'Deployment').replace('{name: app,', '{nam: app,'), 'standard input:7 '],
  ])('refuses %s', async (_, text, where) => {
    const { code, stderr } = await inject(text)
    expect(code).toBe(7)
    expect(stderr).toContain(where)
  })

  it.each([
    ['no apiVersion and no kind', '{"name": "atoll", "version": "0.2.0"}', 'apiVersion'],
    ['no kind', 'apiVersion: v1\n', 'kind'],
    ['a text', 'hello\n', 'apiVersion'],
  ])('refuses what is no Kubernetes object: %s', async (_, text, field) => {
    const { code, stdout, stderr } = await inject(text)
    expect({ code, stdout }).toEqual({ code: 7, stdout: '' })
    expect(stderr).toContain(`${field}: is missing: this is no Kubernetes object`)
  })

  it('warns of what has no effect, and still does the rest', async () => {
    const { code, stdout, stderr } = await inject(
      workload('apps/v1', 'Deployment').replace('annotations: {}', 'annotations: {sidecar.istio.io/userVolume: "{}"}'),
    )
    expect(code).toBe(0)
    expect(stdout).toContain('istio-proxy')
    expect(stderr).toContain('warning (invalid) standard input:6 ')
  })
})
