import { createHash, createPublicKey, randomBytes, verify } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocketServer, type WebSocket } from 'ws'
import { clusterName } from '#mesh/names.ts'
import { meshSettings } from '#mesh/settings.ts'
import { machineToken, stateKeys } from '#mesh/state.ts'
import { joinRequest, joinResponse, toJoinPayload } from '#mesh/join.ts'
import { trustItem } from '../state-items.ts'
import { domain, TestRoot } from '../test-pki.ts'
import { ModelPlane, type ModelSession } from '../uplink/model-plane.ts'

export const joinToken = 'atoll_join_0011223344556677_secretsecretsecret'
const meshId = 'mesh-1'

/** The model plane over HTTP and WebSockets, as an agent's process meets it. */
export class TestPlane {
  readonly model: ModelPlane
  readonly root: TestRoot
  readonly port: number
  #server: Server
  #identityKeyPem = ''
  #joined: { readonly csrPem: string; readonly certificatePem: string } | undefined
  joins = 0

  private constructor(root: TestRoot, server: Server) {
    this.root = root
    this.#server = server
    this.port = (server.address() as AddressInfo).port
    this.model = new ModelPlane((payload, signature) => this.#verify(payload, signature))
    this.#serve(server)
  }

  static async start(): Promise<TestPlane> {
    return new TestPlane(await TestRoot.create(Date.now()), await listen(0))
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** The process is gone: nothing listens, connections are cut. What was committed stays. */
  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.model.restart()
    await closed
  }

  async startAgain(): Promise<void> {
    this.#server = await listen(this.port)
    this.#serve(this.#server)
  }

  /** A machine token of the joined cluster, as `atoll machine token create` makes it. */
  createMachineToken(workload: string): string {
    const [id, secret] = [randomBytes(8).toString('hex'), randomBytes(24).toString('hex')]
    const value = machineToken.parse({
      id,
      secretHash: createHash('sha256').update(secret).digest('hex'),
      role: 'sidecar',
      namespace: 'shop',
      serviceAccount: workload,
      workload,
      expiresAt: new Date(Date.now() + 60 * 60_000).toISOString(),
    })
    this.model.applyConfiguration([{ key: stateKeys.machineToken(id), item: { kind: 'machine-token', value } }])
    return `atoll_machine_${id}_${secret}`
  }

  #serve(server: Server): void {
    server.on('request', (request, response) => void this.#answer(request, response))
    const sockets = new WebSocketServer({ server, path: `/v1/uplink/${meshId}` })
    sockets.on('connection', (socket: WebSocket) => {
      const holder: { session?: ModelSession } = {}
      socket.on('message', (data) => holder.session?.receive(Buffer.from(data as Buffer).toString()))
      socket.on('close', () => holder.session?.drop())
      holder.session = this.model.connect({ send: (text) => socket.send(text), close: () => socket.terminate() })
    })
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(Buffer.from(chunk as Uint8Array))
    const join = joinRequest.parse(JSON.parse(Buffer.concat(chunks).toString()))
    this.joins += 1
    const { csrPem, replica } = join
    this.#identityKeyPem = join.identityKeyPem
    const isProven = this.#verify(toJoinPayload({ tokenId: '0011223344556677', csrPem, replica }), join.proof)
    const isUsed = this.#joined !== undefined && this.#joined.csrPem !== csrPem
    if (join.token !== joinToken || !isProven || isUsed) {
      response.writeHead(401, { 'content-type': 'application/problem+json' })
      response.end(JSON.stringify({ code: 'join_refused', title: 'no', status: 401 }))
      return
    }
    this.#joined ??= { csrPem, certificatePem: await this.root.sign(csrPem, clusterName.parse('east')) }
    const { certificatePem } = this.#joined
    this.#fill(certificatePem)
    const membership = {
      mesh: 'demo',
      meshId,
      cluster: 'east',
      network: 'net-east',
      trustDomain: domain,
      certificatePem,
      rootsPem: [this.root.pem],
    }
    response.writeHead(201, { 'content-type': 'application/json' })
    response.end(JSON.stringify(joinResponse.parse(membership)))
  }

  /** What the plane knows of a mesh as soon as a cluster has joined. */
  #fill(certificatePem: string): void {
    const settings = meshSettings.parse({ meshId, meshName: 'demo', trustDomain: domain })
    this.model.applyConfiguration([
      { key: stateKeys.settings(), item: { kind: 'settings', value: settings } },
      { key: stateKeys.trust(), item: trustItem([this.root.pem], { east: certificatePem }) },
    ])
  }

  #verify(payload: string, signature: string): boolean {
    if (this.#identityKeyPem === '') return false
    const key = { key: createPublicKey(this.#identityKeyPem), dsaEncoding: 'ieee-p1363' as const }
    return verify('sha256', Buffer.from(payload), key, Buffer.from(signature, 'base64url'))
  }
}

const listen = async (port: number): Promise<Server> => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return server
}
