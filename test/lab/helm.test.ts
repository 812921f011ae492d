import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { kinds } from '#mesh/config/kind-table.ts'
import { parse, parseAllDocuments } from 'yaml'
import { z } from 'zod'
import { configHashAnnotation } from '#cli/kubernetes/manifests/agent-deployment.ts'
import { agentConfigMap, agentName, joinTokenSecret, systemNamespace } from '#mesh/kubernetes/conventions.ts'
import { eventually, run } from '#test/harness/child.ts'
import type { LabCluster } from './harness/cluster.ts'
import { Lab } from './harness/lab.ts'
import { repository } from './harness/paths.ts'
import { preparePrograms } from './harness/programs.ts'
import { takeInventory } from './inventory.ts'
import { LabMesh } from './mesh/lab-mesh.ts'
import { frontend, shopNamespace } from './mesh/shop.ts'

/** One for each kind that Atoll takes, and Kubernetes has not. */
const crds = kinds.filter(({ group }) => group !== '').length
const groups = [...new Set(kinds.map(({ group }) => group))].filter((group) => group !== '')

/** The chart, by Helm itself. Each test of the installation goes on where the one before it ended. */
const chart = join(repository, 'deploy/helm/atoll')
let folder: string
let program: string
let lab: Lab
let mesh: LabMesh
let cluster: LabCluster

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'atoll-helm-'))
  program = (await preparePrograms(() => {})).helm
  lab = await Lab.up({ name: 'helm', clusters: 1 })
  mesh = await LabMesh.start(lab)
  cluster = lab.cluster('east')
}, 180_000)
afterAll(async () => {
  await lab?.down()
  await rm(folder, { recursive: true, force: true })
})

const helm = async (...args: string[]): Promise<string> => {
  const { code, stdout, output } = await run({
    name: `helm ${args[0] ?? ''}`,
    command: program,
    args,
    env: { KUBECONFIG: cluster.kubeconfig, HELM_CACHE_HOME: folder, HELM_CONFIG_HOME: folder, HELM_DATA_HOME: folder },
  })
  if (code !== 0) throw new Error(`helm ${args.join(' ')} ended with ${code}:\n${output}`)
  return stdout
}

describe('the chart', () => {
  it('has nothing that Helm warns of', async () => {
    expect(await helm('lint', chart, '--strict', '--set', 'plane=https://atoll.example,cluster=east')).toContain(
      '1 chart(s) linted, 0 chart(s) failed',
    )
  })

  it.each(['plane', 'cluster'])('says what is missing without %s', async (missing) => {
    const values = ['plane=https://atoll.example', 'cluster=east'].filter((value) => !value.startsWith(missing))
    await expect(render(['--set', values.join(',')])).rejects.toThrow(`${missing}: the `)
  })

  it.each(['ingressGateway=istio-ingress', 'gateway=LoadBalancer', 'failurePolicy=ignore', 'replicas=0'])(
    'refuses what it would take for something else: %s',
    async (value) => {
      await expect(render(['--set', `plane=https://atoll.example,cluster=east,${value}`])).rejects.toThrow(
        value.replace(/=.*/, ''),
      )
    },
  )

  it.each<readonly [string, readonly string[], readonly string[]]>([
    ['with nothing but what has to be set', [], []],
    ['with node ports', ['--set', 'gateway=nodeport'], ['--gateway', 'nodeport']],
    [
      'with addresses of its gateways',
      ['--set', 'gateway=nodeport,gatewayAddresses={gw.example:15443}'],
      ['--gateway', 'gw.example:15443'],
    ],
    [
      'with gateways for Gateway objects',
      ['--set', 'ingressGateway=true,egressGateway=true'],
      ['--ingress-gateway', '--egress-gateway'],
    ],
    [
      "with gateways in Istio's namespace, which Helm leaves alone",
      ['--set', 'ingressGateway=istio-system,egressGateway=istio-system'],
      ['--ingress-gateway-namespace', 'istio-system', '--egress-gateway-namespace', 'istio-system'],
    ],
    [
      'with everything else',
      ['--set', 'network=n,gateway=none,revision=atoll,failurePolicy=Ignore,replicas=3,image=r/a:1,proxyImage=r/p:1'],
      [
        '--network',
        'n',
        '--gateway',
        'none',
        '--revision',
        'atoll',
        '--failure-policy',
        'ignore',
        '--replicas',
        '3',
        '--image',
        'r/a:1',
        '--proxy-image',
        'r/p:1',
      ],
    ],
  ])('%s is what "atoll cluster join --dry-run" prints', async (_, values, options) => {
    const { rendered, printed } = await makeBoth(values, options)
    expect(rendered).toEqual(printed)
  })

  it('with backends of telemetry is what "atoll cluster join --dry-run" prints', async () => {
    const forwards = [
      { endpoint: 'http://collector.observability:4318', signals: ['traces'], slowMilliseconds: 250 },
      {
        endpoint: 'https://otlp.example/otlp',
        headersSecret: { name: 'otlp', key: 'token' },
        caConfigMap: { name: 'authorities', key: 'ca.crt' },
      },
      { endpoint: 'https://other.example', caSecret: { name: 'other', key: 'tls.crt' } },
    ]
    const file = join(folder, 'forwards.yaml')
    await writeFile(file, JSON.stringify(forwards))
    const values = ['--set-json', `telemetryForward=${JSON.stringify(forwards)}`]
    const { rendered, printed } = await makeBoth(values, ['--telemetry-forward', file])
    expect(rendered).toEqual(printed)
  })

  it.each<[string, object]>([
    ['secret headers in plaintext', { endpoint: 'http://a.example', headersSecret: { name: 'a', key: 'b' } }],
    ['a file that nobody mounts', { endpoint: 'https://a.example', headersFile: 'headers' }],
    [
      'two authorities',
      { endpoint: 'https://a.example', caConfigMap: { name: 'a', key: 'b' }, caSecret: { name: 'a', key: 'b' } },
    ],
  ])('refuses a backend of telemetry with %s', async (_, forward) => {
    const forwards = ['--set-json', `telemetryForward=${JSON.stringify([forward])}`]
    await expect(render(['--set', 'plane=https://atoll.example,cluster=east', ...forwards])).rejects.toThrow(
      '/telemetryForward/0',
    )
  })

  /** By the chart and by the command. */
  const makeBoth = async (values: readonly string[], options: readonly string[]) => {
    const plane = 'https://atoll.example'
    const rendered = await render(['--set', `plane=${plane},cluster=east`, ...values])
    const printing = ['cluster', 'join', 'east', '--context', 'east', '--dry-run', '--plane', plane, '--output', 'yaml']
    const { stdout } = await mesh.world.atoll([...printing, ...options])
    const { 'Namespace/undefined/istio-system': _istios, ...printed } = toObjects(stdout)
    return { rendered: toObjects(rendered), printed }
  }
})

const render = (values: readonly string[]): Promise<string> =>
  helm('template', 'atoll', chart, '--include-crds', '--kube-version', '1.36', ...values)

const object = z.looseObject({
  kind: z.string(),
  metadata: z.looseObject({ namespace: z.string().optional(), name: z.string() }),
})

/** What only Helm is told. */
const keptByHelm = /^ +annotations:\n +helm\.sh\/resource-policy: keep\n/gm

/** Objects by kind, namespace and name. The agent's configuration counts by what it says; its hash is of another text. */
const toObjects = (yaml: string): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    parseAllDocuments(
      yaml
        .replaceAll(new RegExp(`${configHashAnnotation}: .*`, 'g'), `${configHashAnnotation}: hash`)
        .replaceAll(keptByHelm, ''),
    )
      .map((document) => object.nullable().parse(document.toJS()))
      .flatMap((each) =>
        each === null
          ? []
          : [[`${each.kind}/${each.metadata.namespace}/${each.metadata.name}`, withParsedConfig(each)] as const],
      ),
  )

const config = z.looseObject({ data: z.looseObject({ 'agent.yaml': z.string() }) })

const withParsedConfig = (each: z.infer<typeof object>): unknown => {
  if (each.kind !== 'ConfigMap' || each.metadata.name !== agentConfigMap) return each
  const { data, ...rest } = config.parse(each)
  return { ...rest, data: { ...data, 'agent.yaml': parse(data['agent.yaml']) as unknown } }
}

describe('an installation', () => {
  let before: readonly string[]
  const release = ['atoll', chart, '--namespace', 'default']

  it('joins the mesh', async () => {
    before = await takeInventory(cluster)
    const joining = ['cluster', 'join', 'east', '--network', 'net-east', '--kind', 'kubernetes']
    await writeFile(join(folder, 'token'), (await mesh.world.atoll(joining)).stdout)
    const set = ['--set', `plane=${mesh.world.url},cluster=east,network=net-east`]
    const files = ['--set-file', `joinToken=${join(folder, 'token')},planeCa=${mesh.planeCa}`]
    await helm('install', ...release, ...set, ...files, '--wait', '--timeout', '3m')
    const proxies = await eventually('its gateways are in sync', async () => {
      const { output } = await mesh.world.atoll(['proxies', '--cluster', 'east'])
      return (output.match(/synced/g) ?? []).length === 2 && output
    })
    expect(proxies).toContain('east-west-gateway')
  }, 240_000)

  it('gives pods a proxy', async () => {
    await cluster.apply(`${shopNamespace}---${frontend}`)
    const [pod] = await cluster.waitForPods('shop', 'app=frontend')
    expect(await containersOf(pod?.name ?? '')).toContain('istio-proxy')
  })

  it('changes with its values, and goes on giving pods a proxy', async () => {
    await helm(
      'upgrade',
      ...release,
      '--reset-then-reuse-values',
      '--set',
      'joinToken=,replicas=1',
      '--wait',
      '--timeout',
      '3m',
    )
    await cluster.waitForPods(systemNamespace, `app.kubernetes.io/name=${agentName}`, 1)
    const secret = ['get', 'secret', joinTokenSecret, '-n', systemNamespace, '--ignore-not-found', '-o', 'name']
    expect((await cluster.kubectl(secret)).stdout).toBe('')
    await cluster.kubectl(['delete', 'pods', '-n', 'shop', '--all', '--wait'])
    const [pod] = await cluster.waitForPods('shop', 'app=frontend')
    expect(await containersOf(pod?.name ?? '')).toContain('istio-proxy')
  }, 240_000)

  it('leaves nothing but the CRDs behind, which Helm never deletes', async () => {
    await mesh.world.atoll(['cluster', 'uninstall', 'east', '--context', 'east', '--yes'])
    await helm('uninstall', 'atoll', '--namespace', 'default', '--wait')
    await cluster.kubectl(['delete', 'namespace', 'shop', '--wait'])
    const left = (await takeInventory(cluster)).filter((line) => !before.includes(line))
    expect(left.filter((line) => line.startsWith('CustomResourceDefinition'))).toHaveLength(crds)
    // With an APIService for each of their versions.
    expect(left.filter((line) => groups.every((group) => !line.endsWith(`.${group}`)))).toEqual([])
  }, 240_000)

  const containersOf = async (pod: string): Promise<readonly string[]> => {
    const path = 'jsonpath={.spec.initContainers[*].name} {.spec.containers[*].name}'
    return (await cluster.kubectl(['get', 'pod', pod, '-n', 'shop', '-o', path])).stdout.split(' ')
  }
})
