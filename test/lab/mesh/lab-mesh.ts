import { mkdir, readFile } from 'node:fs/promises'
import { get } from 'node:https'
import { join } from 'node:path'
import { writeServerCertificate, type ServerCertificate } from '#test/harness/server-certificate.ts'
import { toPlaneProgram, World } from '#test/harness/world.ts'
import type { Lab } from '../harness/lab.ts'
import { LabProcess } from '../harness/lab-process.ts'
import { labDirectory } from '../harness/lab-record.ts'

/** A mesh of a lab's clusters: a plane on this machine, which ends with the lab, and what a person does at the command line. */
export class LabMesh {
  readonly world: World
  readonly #lab: Lab
  readonly #certificate: ServerCertificate
  #plane: LabProcess | undefined

  private constructor(world: World, lab: Lab, certificate: ServerCertificate) {
    this.world = world
    this.#lab = lab
    this.#certificate = certificate
  }

  /** A plane with an empty mesh that somebody is signed in to. */
  static async start(lab: Lab, trustDomain = 'lab.atoll.local'): Promise<LabMesh> {
    const files = join(labDirectory(lab.plan.name), 'mesh')
    await mkdir(files, { recursive: true })
    const certificate = await writeServerCertificate(files, lab.hostAddress)
    const world = await World.create(files, { host: lab.hostAddress, certificate, kubeconfig: lab.kubeconfig })
    const mesh = new LabMesh(world, lab, certificate)
    await mesh.startPlane()
    await world.signIn(trustDomain)
    return mesh
  }

  /** PEM file of the authority of the plane's certificate. */
  get planeCa(): string {
    return this.#certificate.file
  }

  /** What `atoll cluster join` prints, with these options besides the lab's own. */
  async join(cluster: string, ...options: readonly string[]): Promise<string> {
    const { network } = this.#lab.cluster(cluster).plan
    const args = ['cluster', 'join', cluster, '--context', cluster, '--plane-ca', this.planeCa]
    // Where everything is reached directly there is nothing to go through.
    const gateway = this.#lab.plan.network === 'flat' ? ['--gateway', 'none'] : []
    // Everything of a lab starts at once on one machine.
    const patience = ['--timeout', '5m']
    return (await this.world.atoll([...args, '--network', network, ...patience, ...gateway, ...options])).output
  }

  async startPlane(): Promise<void> {
    const { host, port, planeData: data } = this.world
    const program = toPlaneProgram({ data, host, port, certificate: this.#certificate })
    this.#plane = LabProcess.start(labDirectory(this.#lab.plan.name), { name: 'plane', ...program })
    const ca = await readFile(this.#certificate.file)
    await this.#plane.until('the plane answers', () => isServed(`${this.world.url}/healthz`, ca))
  }

  /** kill -9 */
  async killPlane(): Promise<void> {
    await this.#plane?.kill()
  }
}

const isServed = (url: string, ca: Buffer): Promise<boolean> =>
  new Promise((resolve) => {
    get(url, { ca }, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    }).on('error', () => resolve(false))
  })
