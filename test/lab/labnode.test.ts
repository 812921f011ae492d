import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { temporaryDirectory } from '#test/agent/temporary-directory.ts'
import { eventually } from '#test/harness/child.ts'
import { Lab } from './harness/lab.ts'
import type { LabCluster } from './harness/cluster.ts'

// What programs in pods depend on a kubelet for: the lab's node has to do it as one does.
let lab: Lab
let cluster: LabCluster

beforeAll(async () => {
  lab = await Lab.up({ name: 'labnode', clusters: 1 })
  cluster = lab.cluster('east')
})
afterAll(() => lab?.down())

interface PodSpec {
  readonly name: string
  readonly spec: string
}

/** A pod of namespace default; the spec is YAML in flow style. */
const podOf = ({ name, spec }: PodSpec): string => `
apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: default, labels: {app: ${name}}}
spec: ${spec}
`

const read = async (path: string, pod: string): Promise<string> =>
  (await cluster.kubectl(['get', 'pod', pod, '-o', `jsonpath={${path}}`])).stdout

const cat = async (pod: string, container: string, file: string): Promise<string> =>
  (await cluster.exec('default', pod, container, ['cat', file])).stdout

test('volumes follow their ConfigMap and Secret, all files of one volume at once', async () => {
  const data = (value: string) => `
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {first: "${value}", second: "${value}"}
---
apiVersion: v1
kind: Secret
metadata: {name: keys}
stringData: {key: "${value}"}
`
  await cluster.apply(data('old'))
  const mounts = '[{name: settings, mountPath: /etc/settings}, {name: keys, mountPath: /etc/keys}]'
  const volumes = '[{name: settings, configMap: {name: settings}}, {name: keys, secret: {secretName: keys}}]'
  const spec = `{terminationGracePeriodSeconds: 0, volumes: ${volumes}, containers: [{name: app, image: lab/host, command: [sleep, infinity], volumeMounts: ${mounts}}]}`
  await cluster.apply(podOf({ name: 'mounted', spec }))
  await cluster.waitForPods('default', 'app=mounted')
  expect(await cat('mounted', 'app', '/etc/settings/first')).toBe('old')

  await cluster.apply(data('new'))

  await eventually('the ConfigMap is new', async () => (await cat('mounted', 'app', '/etc/settings/first')) === 'new')
  expect(await cat('mounted', 'app', '/etc/settings/..data/second')).toBe('new')
  await eventually('the Secret is new', async () => (await cat('mounted', 'app', '/etc/keys/key')) === 'new')
})

test('a container is ready after its startup probe, and restarted when its liveness probe fails', async () => {
  const probes = [
    'startupProbe: {exec: {command: [test, -e, /tmp/started]}, periodSeconds: 1, failureThreshold: 60}',
    'livenessProbe: {exec: {command: [test, "!", -e, /tmp/ill]}, periodSeconds: 1, failureThreshold: 1}',
  ].join(', ')
  const spec = `{terminationGracePeriodSeconds: 0, containers: [{name: app, image: lab/host, command: [sleep, infinity], ${probes}}]}`
  await cluster.apply(podOf({ name: 'probed', spec }))
  const started = '.status.containerStatuses[0].started'
  await eventually('it runs', async () => read('.status.containerStatuses[0].state.running.startedAt', 'probed'))
  expect(await read(started, 'probed')).toBe('false')

  await cluster.exec('default', 'probed', 'app', ['touch', '/tmp/started'])
  await cluster.waitForPods('default', 'app=probed')
  expect(await read(started, 'probed')).toBe('true')

  await cluster.exec('default', 'probed', 'app', ['touch', '/tmp/ill'])
  await eventually(
    'it is restarted',
    async () => (await read('.status.containerStatuses[0].restartCount', 'probed')) === '1',
  )
})

test('a pod ends in order: preStop hooks, main containers, then sidecars', async () => {
  const note = (text: string) => `echo ${text} >> /notes/log`
  const onTerm = (name: string) =>
    `command: [sh, -c, 'trap "${note(`${name} ended`)}; exit 0" TERM; while :; do sleep 0.1; done']`
  const mount = 'volumeMounts: [{name: notes, mountPath: /notes}]'
  const hook = `lifecycle: {preStop: {exec: {command: [sh, -c, 'sleep 0.5; ${note('main warned')}']}}}`
  const folder = temporaryDirectory()
  const volumes = `[{name: notes, hostPath: {path: ${folder}}}]`
  const spec = `{terminationGracePeriodSeconds: 30, volumes: ${volumes}, initContainers: [{name: proxy, restartPolicy: Always, image: lab/host, ${onTerm('sidecar')}, ${mount}}], containers: [{name: app, image: lab/host, ${onTerm('main')}, ${hook}, ${mount}}]}`
  await cluster.apply(podOf({ name: 'ending', spec }))
  await cluster.waitForPods('default', 'app=ending')

  await cluster.kubectl(['delete', 'pod', 'ending'])

  const notes = await readFile(join(folder, 'log'), 'utf8')
  expect(notes.trim().split('\n')).toEqual(['main warned', 'main ended', 'sidecar ended'])
})

test('a node that is switched off is found out, and its pods serve again when it is back', async () => {
  const spec =
    '{terminationGracePeriodSeconds: 0, containers: [{name: app, image: lab/app, readinessProbe: {tcpSocket: {port: 8080}}}]}'
  await cluster.apply(podOf({ name: 'served', spec }))
  const [before] = await cluster.waitForPods('default', 'app=served')

  await cluster.node.stop()
  const ready = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'
  await eventually('the pod is known to be away', async () => {
    return (await cluster.kubectl(['get', 'pod', 'served', '-o', ready])).stdout === 'False'
  })

  await cluster.node.start()
  const [after] = await cluster.waitForPods('default', 'app=served')
  expect(after).toEqual(before)
  await eventually('it serves', async () => (await fetch(`http://${after?.address}:8080/`)).ok)
})
