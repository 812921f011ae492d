import { exports } from 'cloudflare:workers'
import { vi } from 'vitest'
import type { ConfigObject } from '#mesh/config-object.ts'
import type { CatalogEntry } from '#mesh/service.ts'
import type { StateItem } from '#mesh/state.ts'
import { toJoinPayload } from '#mesh/join.ts'
import { toHelloPayload, UPLINK_CAPABILITIES, UPLINK_PONG, UPLINK_PROTOCOL } from '#mesh/uplink.ts'
import type { JoinRequest, JoinResponse } from '#mesh/join.ts'
import type { AgentMessage, PlaneMessage, Position, ReportPosition } from '#mesh/uplink.ts'
import { newCsr, newKeys, sign, toPublicPem } from './test-identity.ts'
import { ORIGIN, send } from './test-plane.ts'
import type { TestMesh } from './test-plane.ts'

type Of<Type extends PlaneMessage['type']> = Extract<PlaneMessage, { type: Type }>

/** A cluster as its agents know it after joining. */
export interface TestCluster {
  readonly mesh: TestMesh
  readonly name: string
  readonly network: string
  readonly identity: CryptoKeyPair
  readonly request: JoinRequest
  readonly joined: JoinResponse
}

export const createJoinToken = async (mesh: TestMesh, cluster: string, network: string): Promise<string> => {
  const { body } = await mesh.send<{ secret: string }>('POST', '/join-tokens', { body: { cluster, network } })
  return body.secret
}

export const newJoinRequest = async (token: string, identity: CryptoKeyPair, csrPem?: string): Promise<JoinRequest> => {
  const csr = csrPem ?? (await newCsr(await newKeys()))
  const tokenId = token.split('_')[2] ?? ''
  const replica = 'replica-1'
  const proof = await sign(identity, toJoinPayload({ tokenId, csrPem: csr, replica }))
  return { token, replica, csrPem: csr, identityKeyPem: await toPublicPem(identity), proof }
}

export const joinTestCluster = async (mesh: TestMesh, name: string, network: string): Promise<TestCluster> => {
  const identity = await newKeys()
  const request = await newJoinRequest(await createJoinToken(mesh, name, network), identity)
  const { status, body } = await send<JoinResponse>('POST', '/v1/join', { body: request })
  if (status !== 201) throw new Error(`joining ${name}: ${status} ${JSON.stringify(body)}`)
  return { mesh, name, network, identity, request, joined: body }
}

export interface HelloChanges {
  readonly replica?: string
  readonly protocol?: number
  readonly position?: Position | null
  readonly mesh?: string
  readonly cluster?: string
  readonly signature?: string
  readonly capabilities?: readonly string[]
}

type Publish = Extract<AgentMessage, { type: 'publish' }>
type Report = Extract<AgentMessage, { type: 'report' }>
export type ReportChanges = Partial<Omit<Report, 'upserts'>> & { readonly upserts?: readonly CatalogEntry[] }

/** One uplink of a cluster's replica: it keeps what the plane tells it and acknowledges, as an agent does. */
export class TestAgent {
  readonly cluster: TestCluster
  readonly socket: WebSocket
  readonly replica: string
  readonly messages: PlaneMessage[] = []
  readonly state = new Map<string, StateItem>()
  position: Position | null = null
  revision = 0
  closed: { readonly code: number } | undefined
  acknowledges = true
  #chunks: Of<'changes'>[] = []
  #reportSequence = 0

  private constructor(cluster: TestCluster, replica: string, socket: WebSocket) {
    this.cluster = cluster
    this.replica = replica
    this.socket = socket
    socket.addEventListener('message', ({ data }) => {
      if (data !== UPLINK_PONG) this.#receive(JSON.parse(String(data)) as PlaneMessage)
    })
    socket.addEventListener('close', ({ code }) => {
      this.closed = { code }
    })
    socket.accept()
  }

  /** Opens a socket and waits for the challenge. */
  static async dial(cluster: TestCluster, replica = 'replica-1'): Promise<TestAgent> {
    const response = await exports.default.fetch(`${ORIGIN}/v1/uplink/${cluster.mesh.id}`, {
      headers: { Upgrade: 'websocket' },
    })
    if (!response.webSocket) throw new Error(`no uplink: ${response.status}`)
    const agent = new TestAgent(cluster, replica, response.webSocket)
    await agent.next('challenge')
    return agent
  }

  /** Opens an uplink and waits until it is welcome. What the agent knew before goes on from `before`. */
  static async connect(cluster: TestCluster, hello: HelloChanges = {}, before?: TestAgent): Promise<TestAgent> {
    const agent = await TestAgent.dial(cluster, hello.replica)
    if (before) {
      for (const [key, item] of before.state) agent.state.set(key, item)
      agent.position = before.position
      agent.#reportSequence = before.#reportSequence
    }
    await agent.hello(hello)
    await agent.next('welcome')
    return agent
  }

  async hello(changes: HelloChanges = {}): Promise<void> {
    const { nonce } = await this.next('challenge')
    const facts = {
      mesh: changes.mesh ?? this.cluster.joined.mesh,
      cluster: changes.cluster ?? this.cluster.name,
      replica: this.replica,
      protocol: changes.protocol ?? UPLINK_PROTOCOL,
    }
    const signature = changes.signature ?? (await sign(this.cluster.identity, toHelloPayload({ ...facts, nonce })))
    const position = changes.position === undefined ? this.position : changes.position
    this.sendRaw({
      type: 'hello',
      ...facts,
      capabilities: changes.capabilities ?? UPLINK_CAPABILITIES,
      agentVersion: 'test',
      position,
      signature,
    })
  }

  send(message: AgentMessage): void {
    this.sendRaw(message)
  }

  /** Sends what may be no message of the protocol. */
  sendRaw(message: unknown): void {
    this.socket.send(typeof message === 'string' ? message : JSON.stringify(message))
  }

  /** The first message of this type that satisfies the condition, waiting for it if need be. */
  next<Type extends PlaneMessage['type']>(
    type: Type,
    condition: (message: Of<Type>) => boolean = () => true,
  ): Promise<Of<Type>> {
    return vi.waitUntil(
      () =>
        this.messages.find((message): message is Of<Type> => message.type === type && condition(message as Of<Type>)),
      { timeout: 10_000, interval: 5 },
    )
  }

  ended(): Promise<{ readonly code: number }> {
    return vi.waitUntil(() => this.closed, { timeout: 10_000, interval: 5 })
  }

  async claim(term: number): Promise<Of<'claimed'>> {
    const answers = () => this.messages.filter((message) => message.type === 'claimed')
    const before = answers().length
    this.send({ type: 'claim', term })
    return vi.waitUntil(() => answers()[before], { timeout: 10_000, interval: 5 })
  }

  /** Sends a report: a full one under term 1, but for what is said otherwise. */
  sendReport({ upserts = [], ...changes }: ReportChanges = {}): ReportPosition {
    const position = { boot: `${this.cluster.name}-boot`, sequence: (this.#reportSequence += 1) }
    const report = {
      type: 'report' as const,
      term: 1,
      mode: 'full' as const,
      position,
      upserts: [...upserts],
      removes: [],
      network: this.cluster.joined.network,
      more: false,
      ...changes,
    }
    this.send(report)
    return report.position
  }

  /** Reports services and waits for the answer. */
  async report(
    upserts: readonly CatalogEntry[],
    changes: ReportChanges = {},
  ): Promise<Of<'report-ack'> | Of<'report-held'>> {
    const { sequence } = this.sendReport({ upserts, gateways: [{ address: '192.0.2.1', port: 15443 }], ...changes })
    const isAnswer = (message: PlaneMessage): message is Of<'report-ack'> | Of<'report-held'> =>
      (message.type === 'report-ack' || message.type === 'report-held') && message.position.sequence === sequence
    return vi.waitUntil(() => this.messages.find(isAnswer), { timeout: 10_000, interval: 5 })
  }

  /** Asks to have objects published: those and no others, under term 1, but for what is said otherwise. Waits until the plane has it. */
  async publish(upserts: readonly ConfigObject[], changes: Partial<Omit<Publish, 'upserts'>> = {}): Promise<void> {
    const position = { boot: `${this.cluster.name}-boot`, sequence: (this.#reportSequence += 1) }
    const common = { type: 'publish' as const, term: 1, mode: 'full' as const, position, removes: [], more: false }
    this.send({ ...common, upserts: [...upserts], ...changes })
    await this.next('publish-ack', (ack) => ack.position.sequence === (changes.position ?? position).sequence)
  }

  /** What the plane said last of the objects that this cluster asks to have published, "<state>" by key. */
  publications(): Record<string, string> {
    const said = this.messages.findLast((message) => message.type === 'published')
    return Object.fromEntries(said?.publications.map(({ key, state }) => [key, state]) ?? [])
  }

  /** Waits until the state satisfies the condition. */
  async until(condition: (state: ReadonlyMap<string, StateItem>) => boolean): Promise<void> {
    await vi.waitUntil(() => condition(this.state), { timeout: 10_000, interval: 5 })
  }

  #receive(message: PlaneMessage): void {
    this.messages.push(message)
    if (message.type !== 'changes') return
    this.#chunks.push(message)
    if (message.more) return
    if (message.mode === 'snapshot') this.state.clear()
    for (const { key, item } of this.#chunks.flatMap(({ items }) => items)) {
      if (item) this.state.set(key, item)
      else this.state.delete(key)
    }
    this.#chunks = []
    this.position = message.position
    this.revision = message.revision
    if (this.acknowledges) this.send({ type: 'ack', position: message.position })
  }
}
