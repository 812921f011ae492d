import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from './child.ts'

/** A root that somebody keeps offline and works with openssl, as docs/trust.md says it. */
export class OfflineRoot {
  readonly directory: string

  private constructor(directory: string) {
    this.directory = directory
  }

  static async create(directory: string, trustDomain: string): Promise<OfflineRoot> {
    const root = new OfflineRoot(directory)
    const toExtensions = (pathLength: number, ...more: readonly string[]) =>
      [
        `basicConstraints=critical,CA:TRUE,pathlen:${pathLength}`,
        'keyUsage=critical,keyCertSign,cRLSign',
        'subjectKeyIdentifier=hash',
        ...more,
      ].join('\n')
    const names = `permitted;URI:${trustDomain},permitted;DNS:clusters.${trustDomain}`
    const uri = `subjectAltName=URI:spiffe://${trustDomain}`
    await writeFile(root.file('root.ext'), toExtensions(2))
    await writeFile(root.file('mesh-ca.ext'), toExtensions(1, uri, `nameConstraints=critical,${names}`))
    await root.openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', 'root.key')
    await root.openssl('req', '-new', '-key', 'root.key', '-subj', '/O=Acme/CN=Acme root', '-out', 'root.csr')
    const signing = ['-signkey', 'root.key', '-days', '3650', '-extfile', 'root.ext']
    await root.openssl('x509', '-req', '-in', 'root.csr', ...signing, '-out', 'root.pem')
    return root
  }

  file(name: string): string {
    return join(this.directory, name)
  }

  /** Signs a request; answers the file with the chain. */
  async sign(csr: string, name: string): Promise<string> {
    const signing = ['-CA', 'root.pem', '-CAkey', 'root.key', '-CAcreateserial', '-days', '1825']
    await this.openssl('x509', '-req', '-in', csr, ...signing, '-extfile', 'mesh-ca.ext', '-out', `${name}.pem`)
    const chain = this.file(`${name}-chain.pem`)
    await writeFile(chain, (await readFile(this.file(`${name}.pem`), 'utf8')) + (await this.pem()))
    return chain
  }

  /** A CA with its key, in openssl's own form. */
  async createCa(name: string): Promise<{ readonly chain: string; readonly key: string }> {
    const key = `${name}.key`
    await this.openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', key)
    await this.openssl('req', '-new', '-key', key, '-subj', `/O=Acme/CN=${name}`, '-out', `${name}.csr`)
    return { chain: await this.sign(`${name}.csr`, name), key: this.file(key) }
  }

  pem(): Promise<string> {
    return readFile(this.file('root.pem'), 'utf8')
  }

  /** Its output; throws with it when it fails. */
  async openssl(...args: readonly string[]): Promise<string> {
    const { code, output } = await run({ name: 'openssl', command: 'openssl', args: [...args], cwd: this.directory })
    if (code !== 0) throw new Error(`openssl ${args.join(' ')}: ${output}`)
    return output
  }
}
