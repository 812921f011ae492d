import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from './child.ts'

/** What a leaf says: the values of its alternative names, such as "URI:spiffe://…" or "DNS:…". */
export type LeafNames = readonly string[]

/** Files with what a proxy presents: the leaf with its CA, and its key. */
export interface LeafFiles {
  readonly certificate: string
  readonly key: string
}

/** istiod's CA as a person makes one for the Secret `cacerts`, with openssl. It issues leaves as istiod does: RSA, a SPIFFE ID and no subject. */
export class IstioCa {
  readonly directory: string
  readonly csrFile: string

  private constructor(directory: string) {
    this.directory = directory
    this.csrFile = join(directory, 'istio-ca.csr')
  }

  static async create(directory: string): Promise<IstioCa> {
    const ca = new IstioCa(directory)
    await ca.#openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', 'ca-key.pem')
    await ca.#openssl('req', '-new', '-key', 'ca-key.pem', '-subj', '/O=Istio/CN=Intermediate CA', '-out', ca.csrFile)
    return ca
  }

  csr(): Promise<string> {
    return readFile(this.csrFile, 'utf8')
  }

  /** Takes the certificate that the mesh's root has signed. */
  async take(certificatePem: string): Promise<void> {
    await writeFile(join(this.directory, 'ca-cert.pem'), `${certificatePem.trim()}\n`)
  }

  async issue(name: string, names: LeafNames): Promise<LeafFiles> {
    const at = (file: string) => join(this.directory, file)
    const extensions = [
      'basicConstraints=critical,CA:FALSE',
      'keyUsage=critical,digitalSignature,keyEncipherment',
      'extendedKeyUsage=serverAuth,clientAuth',
      `subjectAltName=critical,${names.join(',')}`,
    ]
    await writeFile(at(`${name}.ext`), extensions.join('\n'))
    const [key, csr, leaf] = [`${name}-key.pem`, `${name}.csr`, `${name}.crt`]
    await this.#openssl('req', '-new', '-newkey', 'rsa:2048', '-nodes', '-subj', '/', '-keyout', key, '-out', csr)
    // A file with the next serial number would be one for all that are issued at the same time.
    const serial = ['-set_serial', `0x${randomBytes(8).toString('hex')}`]
    const signing = ['-CA', 'ca-cert.pem', '-CAkey', 'ca-key.pem', ...serial, '-days', '1', '-sha256']
    await this.#openssl('x509', '-req', '-in', csr, ...signing, '-extfile', `${name}.ext`, '-out', leaf)
    const certificate = at(`${name}-chain.pem`)
    await writeFile(certificate, (await readFile(at(leaf), 'utf8')) + (await readFile(at('ca-cert.pem'), 'utf8')))
    return { certificate, key: at(key) }
  }

  async #openssl(...args: readonly string[]): Promise<void> {
    const { code, output } = await run({ name: 'openssl', command: 'openssl', args: [...args], cwd: this.directory })
    if (code !== 0) throw new Error(`openssl ${args.join(' ')}: ${output}`)
  }
}
