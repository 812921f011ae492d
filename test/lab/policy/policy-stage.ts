import { z } from 'zod'
import { proxyAdminPort, proxyContainer } from '#mesh/kubernetes/conventions.ts'
import { ingressGateway } from '#mesh/kubernetes/installed-gateways.ts'
import { eventually } from '#test/harness/child.ts'
import { TokenSigner, toJwks } from '#test/harness/token-signer.ts'
import { latePorts } from '../capture/errand.ts'
import { Puppeteer } from '../capture/puppeteer.ts'
import type { LabCluster } from '../harness/cluster.ts'
import { Lab } from '../harness/lab.ts'
import { nodeImage } from '../harness/lab-image.ts'
import { LabMesh } from '../mesh/lab-mesh.ts'
import { toYaml } from '../to-yaml.ts'
import { common, decider, errandPort, plainPuppet, probed, puppet } from './policy-objects.ts'

const images = {
  'lab/puppet': nodeImage('test/lab/capture/puppet.ts', [], 1000),
  'lab/decider': nodeImage('test/lab/policy/decider-app.ts', [], 1000),
}

/** A pod that is told what to do. */
interface PuppetPod {
  readonly address: string
  readonly does: Puppeteer
}

const found = z.object({
  status: z
    .object({
      conditions: z.array(
        z.object({ type: z.string(), status: z.string(), reason: z.string(), message: z.string().default('') }),
      ),
    })
    .optional(),
})
const podList = z.object({
  items: z.array(
    z.object({
      status: z.object({
        podIP: z.string(),
        containerStatuses: z.array(z.object({ name: z.string(), ready: z.boolean() })),
      }),
    }),
  ),
})

interface MeshObject {
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace: string }
}

/** What became of a request: whom the application saw, "nobody" in plaintext; else the status, or "refused" without an answer. */
type Verdict = string

/** Whom a pod's application sees when another one calls. */
export const account = (name: string, namespace = 'shop'): string =>
  `spiffe://lab.atoll.local/ns/${namespace}/sa/${name}`

/**
 * Two clusters on one flat network, with pods that serve and call in both: `guarded` and `frontend` of shop; in east `visitor` of plain, which
 * has a proxy, in west `bare`, which has none, `probed`, somebody who is asked (`authorizer`), an issuer of tokens, and an ingress gateway.
 */
export class PolicyStage {
  readonly lab: Lab
  readonly mesh: LabMesh
  readonly issuer: TokenSigner
  readonly #pods = new Map<string, PuppetPod>()

  private constructor(lab: Lab, mesh: LabMesh, issuer: TokenSigner) {
    this.lab = lab
    this.mesh = mesh
    this.issuer = issuer
  }

  static async open(): Promise<PolicyStage> {
    const lab = await Lab.up({ name: 'flat', clusters: 2, network: 'flat', images })
    try {
      const mesh = await LabMesh.start(lab)
      const issuer = new TokenSigner('https://issuer.example', 'key-1', 'ES256')
      const stage = new PolicyStage(lab, mesh, issuer)
      await Promise.all([
        mesh.join('east', '--replicas', '1'),
        mesh.join('west', '--replicas', '1', '--ingress-gateway'),
      ])
      const both = ['guarded', 'frontend']
      await stage.east.apply(
        toYaml([...common, ...both.map((name) => puppet(name, 'east')), plainPuppet('visitor', true)]),
      )
      await stage.west.apply(
        toYaml([
          ...common,
          ...both.map((name) => puppet(name, 'west')),
          plainPuppet('bare', false),
          probed(latePorts),
          ...decider('plain', 'issuer', toJwks(issuer)),
          ...decider('shop', 'authorizer', ''),
        ]),
      )
      await Promise.all([
        ...both.map((name) => stage.#take(stage.east, 'shop', name)),
        ...both.map((name) => stage.#take(stage.west, 'shop', name)),
        stage.#take(stage.east, 'plain', 'visitor'),
        stage.#take(stage.west, 'plain', 'bare'),
        stage.west.waitForPods('plain', 'app=issuer'),
        stage.west.waitForPods('shop', 'app=authorizer'),
        stage.west.waitForPods(ingressGateway.namespace, `app=${ingressGateway.name}`),
      ])
      return stage
    } catch (error) {
      await lab.down()
      throw error
    }
  }

  get east(): LabCluster {
    return this.lab.cluster('east')
  }

  get west(): LabCluster {
    return this.lab.cluster('west')
  }

  /** `east/frontend`; throws when there is none. */
  pod(name: string): PuppetPod {
    const pod = this.#pods.get(name)
    if (!pod) throw new Error(`there is no pod ${name}`)
    return pod
  }

  async #take(cluster: LabCluster, namespace: string, name: string): Promise<void> {
    const [pod] = await cluster.waitForPods(namespace, `app=${name}`, 1, 120_000)
    const address = pod?.address ?? ''
    this.#pods.set(`${cluster.name}/${name}`, { address, does: new Puppeteer({ host: address, port: errandPort }) })
  }

  /** Ends the proxy of west's `guarded`, and waits until its pod has another one. */
  async restartProxyOfGuarded(): Promise<void> {
    const [pod] = await this.west.waitForPods('shop', 'app=guarded')
    const quit = ['curl', '--silent', '--request', 'POST', `http://127.0.0.1:${proxyAdminPort}/quitquitquit`]
    await this.west.exec('shop', pod?.name ?? '', 'app', quit)
    const path = `jsonpath={.status.initContainerStatuses[?(@.name=="${proxyContainer}")].restartCount}`
    const count = ['get', 'pod', pod?.name ?? '', '-n', 'shop', '-o', path]
    await eventually('the proxy is started again', async () => (await this.west.kubectl(count)).stdout === '1')
  }

  /** Tells `probed`, which need not be ready, what to do. */
  async probed(): Promise<Puppeteer> {
    return new Puppeteer({ host: (await this.#readProbed()).podIP, port: errandPort })
  }

  /** Which containers of `probed` Kubernetes finds ready, but for the proxy's. */
  async readyOfProbed(): Promise<readonly string[]> {
    const { containerStatuses } = await this.#readProbed()
    return containerStatuses
      .filter(({ ready }) => ready)
      .map(({ name }) => name)
      .toSorted()
  }

  async #readProbed() {
    const path = '/api/v1/namespaces/shop/pods?labelSelector=app%3Dprobed'
    const [pod] = podList.parse(await this.west.read(path)).items
    if (!pod) throw new Error('there is no pod yet')
    return pod.status
  }

  /** A request from one pod, such as `east/frontend`. */
  async ask(from: string, url: string, headers: Readonly<Record<string, string>> = {}): Promise<Verdict> {
    const { status, body } = await this.pod(from).does.get(url, headers)
    if (status === 200) return z.object({ caller: z.string().nullable() }).parse(JSON.parse(body)).caller ?? 'nobody'
    return status === 0 ? 'refused' : String(status)
  }

  /** A connection from one pod to a port that says what it hears. */
  async talk(from: string, host: string, port: number): Promise<'answered' | 'closed'> {
    const said = await this.pod(from).does.ask(host, port, 'hello\r\n')
    return said === 'hello\r\n' ? 'answered' : 'closed'
  }

  /** Waits until west's object has this condition, such as "Effective=True Effective"; gives its message. */
  async untilSays(condition: string, kind: string, name: string, namespace = 'shop'): Promise<string> {
    return eventually(`${kind}/${name} says ${condition}`, async () => {
      const { stdout } = await this.west.kubectl(['get', kind, name, '-n', namespace, '-o', 'json'])
      const conditions = found.parse(JSON.parse(stdout)).status?.conditions ?? []
      const texts = conditions.map(({ type, status, reason, message }) => [
        `${type.replace('atoll.dev/', '')}=${status} ${reason}`,
        message,
      ])
      const said = texts.find(([text]) => text === condition)
      if (!said) throw new Error(texts.flat().join('; '))
      return said[1] ?? ''
    })
  }

  /** With kubectl in west, while the test's part that follows is run; then it is deleted again. */
  async within(objects: readonly object[], part: () => Promise<void>): Promise<void> {
    const yaml = toYaml(objects)
    await this.west.apply(yaml)
    try {
      await part()
    } finally {
      await this.west.kubectl(['delete', '-f', '-', '--ignore-not-found'], { input: yaml })
    }
  }

  /** With `atoll apply` for the whole mesh, while the part that follows is run; then it is deleted again. */
  async withinMesh({ kind, metadata, ...rest }: MeshObject, part: () => Promise<void>): Promise<void> {
    const { world } = this.mesh
    await world.atoll(['apply', '--wait', '-f', '-'], { input: toYaml([{ kind, metadata, ...rest }]) })
    try {
      await part()
    } finally {
      await world.atoll(['delete', '--wait', `${kind}/${metadata.namespace}/${metadata.name}`])
    }
  }

  close(): Promise<void> {
    return this.lab.down()
  }
}

/** An object of security.istio.io in shop, for `guarded` unless its spec says otherwise. */
export const policy = (kind: string, name: string, spec: Readonly<Record<string, unknown>>) => ({
  apiVersion: 'security.istio.io/v1',
  kind,
  metadata: { name, namespace: 'shop' },
  spec: { selector: { matchLabels: { app: 'guarded' } }, ...spec },
})

/** How long `expect.poll` waits until something is so, and what that is. */
export const soon = (message: string) => ({ message, timeout: 60_000, interval: 100 })
