import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { systemClock } from '#agent/clock.ts'
import { importPrivateKeyPem } from '#agent/identity/certificate-key.ts'
import { issueLeaf, toWorkloadNames, type Leaf, type LeafIssuer } from '#agent/identity/issue-leaf.ts'
import { parseCertificates } from '#agent/identity/verify-intermediate.ts'
import type { AgentRecord } from '#agent/join/agent-record.ts'
import { joinMesh } from '#agent/join/join-mesh.ts'
import { postJoin } from '#agent/join/post-join.ts'
import { createLog } from '#agent/log.ts'
import { clusterName, trustDomain, type ClusterName, type TrustDomain } from '#mesh/names.ts'
import type { World } from './world.ts'

/** A cluster of the mesh in somebody's hands: its intermediate, with which he calls what he likes. */
export class StolenCluster {
  readonly cluster: ClusterName
  readonly #domain: TrustDomain
  readonly #issuer: LeafIssuer

  private constructor(cluster: ClusterName, domain: TrustDomain, issuer: LeafIssuer) {
    this.cluster = cluster
    this.#domain = domain
    this.#issuer = issuer
  }

  /** Joins it as its agent would. */
  static async join(world: World, name: string): Promise<StolenCluster> {
    const { dataDirectory } = await world.join(name, `net-${name}`)
    const config = await readFile(join(dataDirectory, 'agent.yaml'), 'utf8')
    const tokenFile = resolve(dataDirectory, /joinTokenFile: (\S+)/.exec(config)?.[1] ?? '')
    let kept: AgentRecord | undefined
    const { membership, intermediateKeyPem } = await joinMesh({
      records: { load: async () => kept, save: async (record) => (kept = record) },
      tokenFile,
      post: (request) => postJoin({ url: world.url }, request),
      clock: systemClock,
      random: Math.random,
      log: createLog('silent'),
      signal: new AbortController().signal,
    })
    const [certificate] = parseCertificates([membership.certificatePem])
    if (!certificate) throw new Error('the plane has given a certificate')
    const issuer = { certificate, privateKey: await importPrivateKeyPem(intermediateKeyPem) }
    return new StolenCluster(clusterName.parse(name), trustDomain.parse(membership.trustDomain), issuer)
  }

  leaf(): Promise<Leaf> {
    const identity = { namespace: 'default', serviceAccount: `thief-${randomUUID().slice(0, 8)}` }
    const names = toWorkloadNames(identity, this.cluster, this.#domain)
    if ('problem' in names) throw new Error(names.problem)
    return issueLeaf(this.#issuer, names, Date.now())
  }

  /** Calls a proxy. The connection says what came of it: nothing that is answered is read further. */
  async call(host: string, port: number): Promise<StolenConnection> {
    const { chainPem, privateKeyPem } = await this.leaf()
    return new StolenConnection(
      connect({
        host,
        port,
        cert: chainPem,
        key: privateKeyPem,
        rejectUnauthorized: false,
        ALPNProtocols: ['istio', 'http/1.1'],
      }),
    )
  }
}

/** Where the other side refuses our certificate after the handshake, Node tells of the error and of the end, and now and then not of `close`. */
const endings = ['error', 'end', 'close'] as const

export class StolenConnection {
  readonly #socket: TLSSocket
  /** Milliseconds since the epoch; undefined = it is open. */
  closedAt: number | undefined

  constructor(socket: TLSSocket) {
    this.#socket = socket
    for (const event of endings) socket.on(event, () => (this.closedAt ??= Date.now()))
  }

  /** Whether something is answered to this. */
  ask(text: string): Promise<boolean> {
    return new Promise((resolve) => {
      if (this.closedAt !== undefined) return resolve(false)
      this.#socket.once('data', () => resolve(true))
      for (const event of endings) this.#socket.once(event, () => resolve(false))
      this.#socket.write(text)
    })
  }

  end(): void {
    this.#socket.destroy()
  }
}
