import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { kinds } from '#mesh/config/kind-table.ts'
import { agentRules } from '#mesh/kubernetes/agent-rules.ts'
import {
  agentName,
  eastWestGatewayName,
  injectorWebhook,
  proxyConfigMap,
  systemNamespace,
} from '#mesh/kubernetes/conventions.ts'
import { ingressGateway } from '#mesh/kubernetes/installed-gateways.ts'
import { eventually, run } from '#test/harness/child.ts'
import { World } from '#test/harness/world.ts'
import type { LabCluster } from './harness/cluster.ts'
import { Lab } from './harness/lab.ts'
import { takeInventory } from './inventory.ts'

/** One for each kind that Atoll takes, and Kubernetes has not. */
const crds = kinds.filter(({ group }) => group !== '').length

/** What `atoll` does to a real Kubernetes cluster: real admission, real RBAC, real garbage collection. */
let folder: string
let world: World
let lab: Lab
let cluster: LabCluster
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'atoll-install-'))
  world = await World.create(folder)
  lab = await Lab.up({ name: 'install', clusters: 1 })
  await world.startPlane()
  ;[cluster] = lab.clusters as [LabCluster]
  vi.stubEnv('KUBECONFIG', lab.kubeconfig)
  await world.signIn()
}, 900_000)
afterAll(async () => {
  vi.unstubAllEnvs()
  await world?.stop()
  await lab?.down()
  await rm(folder, { recursive: true, force: true })
}, 60_000)

const kubectl = async (...args: string[]): Promise<string> => (await cluster.kubectl(args)).stdout

/** The plane is on this machine's loopback: pods can't reach it, and no agent gets in sync. */
const notForPods = ['--plane', 'https://plane.example']
const joinEast = (...more: string[]) =>
  world.atoll(['cluster', 'join', 'east', '--context', cluster.name, ...notForPods, '--timeout', '1s', ...more], {
    allowFailure: true,
  })
const uninstall = () => world.atoll(['cluster', 'uninstall', 'east', '--context', cluster.name, '--yes'])

describe('atoll check', () => {
  it('finds a fresh cluster fit, and says what it will do', async () => {
    const check = ['check', '--context', cluster.name, '--network', 'east', ...notForPods]
    expect(await world.atollJson(check)).toMatchObject({
      fit: true,
      findings: [
        { check: 'version', status: 'ok' },
        { check: 'permissions', status: 'ok' },
        // Nobody has this name.
        { check: 'plane', status: 'warning', code: 'plane_not_asked' },
        { check: 'crds', status: 'ok', message: expect.stringContaining(`${crds} of ${crds} will be installed`) },
        { check: 'injector', status: 'ok' },
        { check: 'installed', status: 'ok' },
        { check: 'network', status: 'ok' },
      ],
    })
  })

  it('refuses a plane that pods would look for in themselves', async () => {
    const { code, output } = await world.atoll(['check', '--context', cluster.name], { allowFailure: true })
    expect(output).toContain('plane_on_loopback')
    expect(code).toBe(6)
  })

  it('refuses a person who may not install, and names what is missing', async () => {
    await kubectl('create', 'serviceaccount', 'intern', '--namespace=default')
    const token = (await kubectl('create', 'token', 'intern', '--namespace=default')).trim()
    const kubeconfig = join(folder, 'intern.kubeconfig')
    const config = JSON.parse(await kubectl('config', 'view', '--raw', '--output=json')) as Record<string, unknown>
    const context = { name: 'intern', context: { cluster: cluster.name, user: 'intern' } }
    await writeFile(
      kubeconfig,
      JSON.stringify({ ...config, contexts: [context], users: [{ name: 'intern', user: { token } }] }),
    )
    vi.stubEnv('KUBECONFIG', kubeconfig)
    const { code, output } = await world.atoll(['check', '--context', 'intern', ...notForPods], { allowFailure: true })
    vi.stubEnv('KUBECONFIG', lab.kubeconfig)
    await kubectl('delete', 'serviceaccount', 'intern', '--namespace=default')
    expect(output).toContain('permission_missing')
    expect(output).toMatch(/you may not .*create customresourcedefinitions, .*create deployments in atoll-system/)
    expect(code).toBe(6)
  })
})

describe('atoll cluster join --context', () => {
  let before: string[]
  it('installs, and says what it waits for', async () => {
    before = await takeInventory(cluster)
    const { code, output } = await joinEast('--ingress-gateway')
    expect(output).toContain(`Deployment ${systemNamespace}/${agentName} created`)
    expect(output).toContain(`Deployment ${ingressGateway.namespace}/${ingressGateway.name} created`)
    expect(output).toContain('it has not joined yet')
    expect(code).toBe(3)
  })

  it.each([agentName, eastWestGatewayName])('gets the pods of %s past the restricted pod security', async (name) => {
    const selector = `--selector=app.kubernetes.io/name=${name}`
    await eventually('two pods are admitted', async () => {
      const pods = await kubectl('get', 'pods', `--namespace=${systemNamespace}`, selector, '--output=name')
      return pods.split('\n').length === 2
    })
    const violations = await kubectl(
      'get',
      'events',
      `--namespace=${systemNamespace}`,
      '--field-selector=reason=FailedCreate',
      '--output=name',
    )
    expect(violations).toBe('')
  })

  it('keeps other pods out of the namespace', async () => {
    const { code, output } = await cluster.kubectl(
      ['run', 'careless', '--image=lab/host', `--namespace=${systemNamespace}`, '--privileged'],
      { allowFailure: true },
    )
    expect(output).toContain('violates PodSecurity "restricted')
    expect(code).not.toBe(0)
  })

  it('is told of in a support bundle, which reaches the agents through the API server and holds no Secret', async () => {
    const archive = join(folder, 'support.tar.gz')
    const text = await eventually('the agents are asked', async () => {
      await rm(archive, { force: true })
      await world.atoll(['support', 'bundle', '--context', cluster.name, '--out', archive])
      const { stdout } = await run({ name: 'tar', command: 'tar', args: ['-xzOf', archive] })
      return stdout.includes('# TYPE atoll_agent_uplink_live gauge') && stdout
    })
    expect(text).toContain(`context ${cluster.name}: Deployment ${agentName}: 0 of 2 replicas are available`)
    expect(text).toMatch(/agent atoll-agent-\S+: not ready/)
    expect(text).toContain('"program":"atoll-agent"')
    expect(text).toContain(`"name": "${injectorWebhook}"`)
    const secrets = JSON.parse(await kubectl('get', 'secrets', `--namespace=${systemNamespace}`, '--output=json')) as {
      items: { data: Record<string, string> }[]
    }
    const secretWords = secrets.items
      .flatMap(({ data }) => Object.values(data))
      .flatMap(
        (value) =>
          Buffer.from(value, 'base64')
            .toString()
            .match(/[\w+/-]{40,}/g) ?? [],
      )
    expect(secretWords.length).toBeGreaterThan(3)
    expect(secretWords.filter((word) => text.includes(word))).toEqual([])
  })

  const as = `--as=system:serviceaccount:${systemNamespace}:${agentName}`
  const may = async (verb: string, resource: string, ...where: string[]): Promise<boolean> =>
    (await cluster.kubectl(['auth', 'can-i', verb, resource, as, ...where], { allowFailure: true })).stdout === 'yes'

  /** As "kubectl auth can-i" names it; a subresource is an option of its own. */
  const toKubectlResource = (resource: string, group: string, name: string | undefined): string =>
    `${resource.split('/')[0]}${group === '' ? '' : `.${group}`}${name === undefined ? '' : `/${name}`}`

  const places = {
    cluster: '--all-namespaces',
    system: `--namespace=${systemNamespace}`,
    gateway: `--namespace=${ingressGateway.namespace}`,
  }
  const rights = agentRules.flatMap(({ scope, apiGroups, resources, resourceNames, verbs }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) =>
        verbs.map((verb) => ({
          verb,
          resource: toKubectlResource(resource, group, resourceNames?.[0]),
          where: [places[scope], ...(resource.includes('/') ? [`--subresource=${resource.split('/')[1]}`] : [])],
        })),
      ),
    ),
  )
  it('lets the agent do what its rules say', async () => {
    const refused = await Promise.all(
      rights.map(async ({ verb, resource, where }) =>
        (await may(verb, resource, ...where)) ? [] : [`${verb} ${resource} ${where.join(' ')}`],
      ),
    )
    expect(refused.flat()).toEqual([])
  })

  it.each([
    ['get', 'secrets', '--namespace=default'],
    ['list', 'secrets', '--all-namespaces'],
    ['create', 'pods', '--all-namespaces'],
    ['delete', 'pods', '--all-namespaces'],
    ['update', 'nodes', '--all-namespaces'],
    ['create', 'clusterrolebindings.rbac.authorization.k8s.io', '--all-namespaces'],
    ['impersonate', 'users', '--all-namespaces'],
    ['create', 'serviceaccounts/token', '--all-namespaces'],
  ])('does not let the agent %s %s %s', async (verb, resource, where) => {
    expect(await may(verb, resource, where)).toBe(false)
  })

  it('changes nothing the second time but the token that nobody has used', async () => {
    const { output } = await joinEast('--ingress-gateway')
    expect(output.match(/^\w+ \S+ (created|changed|removed)$/gm)).toEqual([
      `Secret ${systemNamespace}/atoll-join-token changed`,
    ])
  })

  it('leaves to the agent what the agent has written', async () => {
    const config = await kubectl(
      'config',
      'view',
      '--raw',
      '--output=jsonpath={.clusters[0].cluster.certificate-authority-data}',
    )
    const caBundle = config.trim()
    const patch = JSON.stringify([{ op: 'add', path: '/webhooks/0/clientConfig/caBundle', value: caBundle }])
    await kubectl('patch', 'mutatingwebhookconfiguration', injectorWebhook, '--type=json', `--patch=${patch}`)
    expect((await joinEast('--ingress-gateway')).output).not.toContain('MutatingWebhookConfiguration')
    expect(
      await kubectl(
        'get',
        'mutatingwebhookconfiguration',
        injectorWebhook,
        '--output=jsonpath={.webhooks[0].clientConfig.caBundle}',
      ),
    ).toBe(caBundle)
  })

  it('lets the agent write whom to believe of the webhooks, and nothing else', async () => {
    interface Webhook {
      readonly name: string
      readonly clientConfig: { readonly service: object }
      readonly [field: string]: unknown
    }
    const replaceAll = async (change: (webhooks: readonly Webhook[]) => readonly object[], ...who: string[]) => {
      const text = await kubectl('get', 'mutatingwebhookconfiguration', injectorWebhook, '--output=json')
      const found = JSON.parse(text) as { webhooks: Webhook[] }
      const file = join(folder, 'webhook.json')
      await writeFile(file, JSON.stringify({ ...found, webhooks: change(found.webhooks) }))
      const { code, output } = await cluster.kubectl(['replace', `--filename=${file}`, ...who], { allowFailure: true })
      return code === 0 ? 'replaced' : output
    }
    const replaceEach = (change: (webhook: Webhook) => object, ...who: string[]) =>
      replaceAll((webhooks) => webhooks.map((webhook) => ({ ...webhook, ...change(webhook) })), ...who)
    const refusal = 'the agent may change nothing but caBundle'

    let timeoutSeconds = 10
    await eventually('the API server heeds the guard', async () =>
      (await replaceEach(() => ({ timeoutSeconds: (timeoutSeconds += 1) }), as)).includes(refusal),
    )
    const rules = [{ apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*/*'], scope: '*' }]
    const everywhere = { rules, namespaceSelector: {}, objectSelector: {} }
    const changes: ((webhooks: readonly Webhook[]) => readonly object[])[] = [
      (webhooks) => webhooks.map((webhook) => ({ ...webhook, rules })),
      (webhooks) => webhooks.map((webhook) => ({ ...webhook, namespaceSelector: {} })),
      (webhooks) => webhooks.map((webhook) => ({ ...webhook, objectSelector: {} })),
      (webhooks) => webhooks.map((webhook) => ({ ...webhook, failurePolicy: 'Ignore' })),
      (webhooks) => webhooks.map((webhook) => ({ ...webhook, clientConfig: { url: 'https://thief.test/' } })),
      (webhooks) =>
        webhooks.map((webhook) => ({ ...webhook, matchConditions: [{ name: 'never', expression: 'false' }] })),
      (webhooks) => webhooks.slice(1),
      (webhooks) => [...webhooks, { ...webhooks[0], ...everywhere, name: 'thief.injector.atoll.dev' }],
      ([, ...webhooks]) => [...webhooks, { ...webhooks[0], ...everywhere, name: 'thief.injector.atoll.dev' }],
    ]
    for (const change of changes) expect(await replaceAll(change, as)).toContain(refusal)

    const caBundle = await kubectl(
      'get',
      'mutatingwebhookconfiguration',
      injectorWebhook,
      '--output=jsonpath={.webhooks[0].clientConfig.caBundle}',
    )
    const believe = ({ clientConfig }: Webhook) => ({ clientConfig: { ...clientConfig, caBundle } })
    expect(await replaceEach(believe, as)).toBe('replaced')
    // An administrator may.
    expect(await replaceEach(() => ({ timeoutSeconds: 9 }))).toBe('replaced')
  })

  it('takes away what the settings have no more', async () => {
    const { output: kept } = await joinEast('--gateway', 'none')
    expect(kept).toContain(`Deployment ${systemNamespace}/${eastWestGatewayName} removed`)
    expect(kept).toContain(`${ingressGateway.namespace}/${ingressGateway.name} is kept`)
    const { output } = await joinEast('--gateway', 'none', '--no-ingress-gateway')
    expect(output).toContain(`Deployment ${ingressGateway.namespace}/${ingressGateway.name} removed`)
    // There may be somebody's certificates in it.
    expect(output).not.toContain('Namespace')
  })

  it('does not install a second cluster over the first', async () => {
    const { code, output } = await world.atoll(
      ['cluster', 'join', 'other', '--context', cluster.name, ...notForPods, '--timeout', '1s'],
      { allowFailure: true },
    )
    expect(code).toBe(6)
    expect(output).toContain('other_cluster')
  })

  it('leaves nothing when it is uninstalled, and nothing to do when that is done again', async () => {
    expect(await takeInventory(cluster)).not.toEqual(before)
    await kubectl('create', 'configmap', proxyConfigMap, '--namespace=default')
    expect((await uninstall()).output).toContain('Nothing of cluster east is left')
    // It was somebody else's: it is there to be deleted.
    await kubectl('delete', 'configmap', proxyConfigMap, '--namespace=default')
    expect(await takeInventory(cluster)).toEqual(before)
    expect((await uninstall()).output).toContain('There was nothing of Atoll')
  })
})

describe("upstream's CRDs", () => {
  const name = 'sidecars.networking.istio.io'
  const file = join(import.meta.dirname, `../../deploy/helm/atoll/crds/${name}.yaml`)

  it('stay as they are where somebody else has installed them', async () => {
    await kubectl('apply', '--server-side', '--field-manager=istio', '--filename', file)
    const version = () =>
      kubectl('get', 'crd', name, '--output=jsonpath={.metadata.generation} {.metadata.managedFields[*].manager}')
    const before = await version()
    const { output } = await joinEast()
    expect(output).toContain('crd_foreign')
    expect(output).not.toContain(`CustomResourceDefinition ${name}`)
    expect((await uninstall()).output).toContain(`${name} is not ours`)
    expect(await version()).toBe(before)
    await kubectl('delete', 'crd', name)
  })

  it('stay where they have objects', async () => {
    await joinEast()
    await eventually('the API server knows the kind', async () => {
      const input = `apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: kept, namespace: default}\nspec: {egress: [{hosts: ['./*']}]}\n`
      const { code } = await cluster.kubectl(['apply', '-f', '-'], { input, allowFailure: true })
      return code === 0
    })
    expect((await uninstall()).output).toContain(`${name} has objects`)
    expect(await kubectl('get', 'sidecars', '--namespace=default', '--output=name')).toContain('kept')
  })
})
