import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { archive } from './archive.ts'

const toDigest = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`
const sizeOf = (mediaType: string, bytes: Uint8Array) => ({ mediaType, digest: toDigest(bytes), size: bytes.length })
const oci = 'application/vnd.oci.image'

const inImage = (code: Uint8Array) => archive({ 'readme.txt': Buffer.from('hello'), './plugin.wasm': code })

/** How a module is put into an image. */
const forms = {
  /** Wasm image specification, compat variant: of OCI, and of Docker. */
  compat: (code: Uint8Array) => [{ type: `${oci}.layer.v1.tar+gzip`, bytes: inImage(code) }],
  docker: (code: Uint8Array) => [{ type: 'application/vnd.docker.image.rootfs.diff.tar.gzip', bytes: inImage(code) }],
  /** oci variant. */
  artifact: (code: Uint8Array) => [
    { type: 'application/vnd.module.wasm.content.layer.v1+wasm', bytes: Buffer.from(code) },
    { type: 'application/vnd.module.wasm.config.v1+json', bytes: Buffer.from('{}') },
  ],
} as const

/** The part of a registry that is read (OCI distribution specification), in memory. */
export class ImageRegistry {
  readonly #content = new Map<string, { readonly type: string; readonly bytes: Buffer }>()
  /** Who may read: with the token that anybody is given. */
  asksForToken = false
  /** Who is given a token, or may read: whoever sends this as Basic credentials. Undefined = anybody. */
  account: string | undefined
  /** Where it sends for a token; undefined = to itself. */
  realm: string | undefined
  /** What was sent to say who asks, each once. */
  readonly shown = new Set<string | undefined>()
  /** Sends those that ask for a layer elsewhere. */
  redirects: string | undefined
  #origin = ''

  /** The digest of the manifest, of the index where it is one. */
  push(
    repository: string,
    tag: string,
    code: Uint8Array,
    form: keyof typeof forms = 'compat',
    isIndex = false,
  ): string {
    const layers = forms[form](code)
    for (const { type, bytes } of layers) this.#content.set(`${repository}/blobs/${toDigest(bytes)}`, { type, bytes })
    const type = form === 'docker' ? 'application/vnd.docker.distribution.manifest.v2+json' : `${oci}.manifest.v1+json`
    const manifest = this.#put(repository, type, {
      schemaVersion: 2,
      mediaType: type,
      config: sizeOf(`${oci}.config.v1+json`, Buffer.from('{}')),
      layers: layers.map((layer) => sizeOf(layer.type, layer.bytes)),
    })
    const top = isIndex
      ? this.#put(repository, `${oci}.index.v1+json`, {
          schemaVersion: 2,
          manifests: [{ ...sizeOf(type, manifest), platform: { os: 'linux', architecture: 'amd64' } }],
        })
      : manifest
    const digest = toDigest(top)
    const stored = this.#content.get(`${repository}/manifests/${digest}`)
    if (stored) this.#content.set(`${repository}/manifests/${tag}`, stored)
    return digest.slice('sha256:'.length)
  }

  /** Damages all that is there. */
  tamper(): void {
    for (const [key, { type, bytes }] of this.#content)
      if (key.includes('/blobs/')) this.#content.set(key, { type, bytes: Buffer.concat([bytes, Buffer.from('x')]) })
  }

  readonly handle = (request: IncomingMessage, response: ServerResponse): void => {
    const { pathname } = new URL(request.url ?? '/', 'https://registry')
    this.#origin = `https://${request.headers.host}`
    const { authorization } = request.headers
    this.shown.add(authorization)
    const isKnown = this.account === undefined || authorization === this.#basic
    if (pathname === '/token' && !isKnown) {
      response.writeHead(401).end()
      return
    }
    if (pathname === '/token') {
      response.end(JSON.stringify({ token: 'any.body' }))
      return
    }
    if (!this.asksForToken && !isKnown) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="registry"' }).end()
      return
    }
    if (this.asksForToken && authorization !== 'Bearer any.body') {
      const challenge = `Bearer realm="${this.realm ?? `${this.#origin}/token`}",service="registry",scope="repository:a:pull"`
      response.writeHead(401, { 'www-authenticate': challenge }).end()
      return
    }
    if (this.redirects !== undefined && pathname.includes('/blobs/')) {
      response.writeHead(307, { location: this.redirects }).end()
      return
    }
    const found = this.#content.get(pathname.replace('/v2/', ''))
    if (found) response.writeHead(200, { 'content-type': found.type }).end(found.bytes)
    else response.writeHead(404).end()
  }

  get #basic(): string {
    return `Basic ${Buffer.from(this.account ?? '').toString('base64')}`
  }

  #put(repository: string, type: string, document: object): Buffer {
    const bytes = Buffer.from(JSON.stringify(document))
    this.#content.set(`${repository}/manifests/${toDigest(bytes)}`, { type, bytes })
    return bytes
  }
}
