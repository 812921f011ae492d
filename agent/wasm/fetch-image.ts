import { z } from 'zod'
import type { RegistryLogin } from '#agent/credentials/parse-registry-logins.ts'
import { FetchError } from '#agent/outside/fetch-bytes.ts'
import type { FoundBytes, Get } from '#agent/outside/follow-redirects.ts'
import type { ModulePlace } from '#mesh/config/schema/module-url.ts'
import { parseJson } from '#mesh/parse-json.ts'
import { maxModuleBytes } from './module-limits.ts'
import { toDigest } from './to-digest.ts'
import { unpackModule } from './unpack-module.ts'

type Image = Extract<ModulePlace, { readonly kind: 'image' }>

const ociManifest = 'application/vnd.oci.image.manifest.v1+json'
const ociIndex = 'application/vnd.oci.image.index.v1+json'
const dockerManifest = 'application/vnd.docker.distribution.manifest.v2+json'
const dockerIndex = 'application/vnd.docker.distribution.manifest.list.v2+json'
const accepted = [ociManifest, dockerManifest, ociIndex, dockerIndex].join(', ')

const sha256 = z
  .string()
  .regex(/^sha256:[a-f0-9]{64}$/)
  .transform((text) => text.slice('sha256:'.length))
const descriptor = z.object({ mediaType: z.string(), digest: sha256, size: z.number().int().nonnegative() })
/** OCI image specification: manifest, and index. */
const manifestDocument = z.object({ layers: z.array(descriptor).min(1).max(256) })
const indexDocument = z.object({
  manifests: z
    .array(
      descriptor.extend({
        platform: z.object({ os: z.string(), architecture: z.string() }).optional(),
      }),
    )
    .min(1)
    .max(256),
})
const tokenDocument = z.object({ token: z.string().optional(), access_token: z.string().optional() })

/** Layers that are the module itself: the specification of Wasm images, and that of Wasm artifacts. */
const moduleLayers: readonly string[] = [
  'application/vnd.module.wasm.content.layer.v1+wasm',
  'application/vnd.wasm.content.layer.v1+wasm',
  'application/wasm',
]
/** What such a module is called in an image like any other (Wasm image specification, compat variant). */
const fileName = 'plugin.wasm'

const maxManifestBytes = 4 * 1024 * 1024

/**
 * The module in an image of a registry (OCI distribution specification): one that whoever has not signed in may pull, or by a login. Each part is
 * verified against its digest. Throws an error for people.
 */
export const fetchImage = async (
  image: Image,
  wanted: string | undefined,
  login: RegistryLogin | undefined,
  get: Get,
): Promise<Buffer> => {
  const registry = new Registry(image, login, get)
  const named = image.digest === undefined ? (image.tag ?? 'latest') : `sha256:${image.digest}`
  const first = await registry.manifest(named)
  const firstDigest = toDigest(first)
  if (image.digest !== undefined && firstDigest !== image.digest)
    throw new FetchError(`is another image: its digest is ${firstDigest}`)
  const index = indexDocument.safeParse(parseJson(first.toString('utf8'))).data
  const manifest = index ? await registry.verified('manifests', selectImage(index)) : first
  const digests = [firstDigest, toDigest(manifest)]
  if (wanted !== undefined && !digests.includes(wanted))
    throw new FetchError(`is another image: its digest is ${digests.at(-1)}`)
  const layers = manifestDocument.safeParse(parseJson(manifest.toString('utf8'))).data?.layers
  if (!layers) throw new FetchError('has no manifest of an image')
  const layer = layers.find(({ mediaType }) => moduleLayers.includes(mediaType)) ?? layers.at(-1)
  if (!layer) throw new FetchError('has no layers')
  if (layer.size > maxModuleBytes) throw new FetchError(`has a layer of more than ${maxModuleBytes / 1024 / 1024} MiB`)
  return unpackModule(await registry.verified('blobs', layer), fileName)
}

/** A module is the same on all of them. */
const selectImage = ({ manifests }: z.output<typeof indexDocument>) => {
  const isUsual = ({ platform }: (typeof manifests)[number]) =>
    platform?.os === 'linux' && platform.architecture === 'amd64'
  return manifests.find(isUsual) ?? manifests[0] ?? unreachable()
}
const unreachable = (): never => {
  throw new FetchError('has an index without images')
}

/**
 * A repository, as whoever signs in by the login sees it, if there is one. A password goes to the registry that it is for, and to whom that sends
 * for a token; only when one is asked for, only by TLS, and not on to where these redirect.
 */
class Registry {
  readonly #get: Get
  readonly #repository: string
  readonly #basic: string | undefined
  #origin: string
  #authorization: string | undefined

  constructor({ registry, repository }: Image, login: RegistryLogin | undefined, get: Get) {
    this.#get = get
    this.#basic = login && `Basic ${Buffer.from(`${login.user}:${login.password}`).toString('base64')}`
    this.#origin = `https://${registry}`
    this.#repository = repository
  }

  async manifest(reference: string): Promise<Buffer> {
    try {
      return await this.#read(`manifests/${reference}`, maxManifestBytes)
    } catch (error) {
      // One in the cluster may have no TLS; where the agent may ask without, its guard says.
      if (!(error instanceof FetchError) || !error.isPlaintext) throw error
      if (this.#basic !== undefined) throw new FetchError('speaks no TLS, without which nobody signs in')
      this.#origin = this.#origin.replace('https:', 'http:')
      return this.#read(`manifests/${reference}`, maxManifestBytes)
    }
  }

  async verified(what: 'manifests' | 'blobs', { digest }: { readonly digest: string }): Promise<Buffer> {
    const limit = what === 'blobs' ? maxModuleBytes : maxManifestBytes
    const bytes = await this.#read(`${what}/sha256:${digest}`, limit)
    if (toDigest(bytes) !== digest) throw new FetchError('is damaged: a part of it is not what its digest says')
    return bytes
  }

  async #read(path: string, maxBytes: number): Promise<Buffer> {
    const url = new URL(`${this.#origin}/v2/${this.#repository}/${path}`)
    const ask = (): Promise<FoundBytes> =>
      this.#get(
        url,
        { accept: accepted, ...(this.#authorization !== undefined && { authorization: this.#authorization }) },
        { maxBytes, passes: 401 },
      )
    let answer = await ask()
    // Whoever it redirects to does not say where a password goes.
    if (answer.status === 401 && answer.isElsewhere) throw new FetchError('redirects to where a password is asked for')
    if (answer.status === 401 && this.#authorization === undefined) {
      this.#authorization = await this.#answerTo(answer.headers['www-authenticate'] ?? '')
      answer = await ask()
    }
    if (answer.status === 401) throw new FetchError(this.#refusal)
    return answer.body
  }

  get #refusal(): string {
    return this.#basic === undefined
      ? 'asks for a user and a password, and the plugin names no imagePullSecret'
      : 'refuses the user and the password of the imagePullSecret'
  }

  async #answerTo(challenge: string): Promise<string> {
    if (/^bearer /i.test(challenge)) return `Bearer ${await this.#fetchToken(challenge)}`
    if (this.#basic === undefined || !/^basic\b/i.test(challenge)) throw new FetchError(this.#refusal)
    return this.#basic
  }

  /** Docker registry v2 authentication. */
  async #fetchToken(challenge: string): Promise<string> {
    const parameters = new Map(
      [...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, name = '', value = '']) => [name, value]),
    )
    const realm = URL.parse(parameters.get('realm') ?? '')
    if (!realm) throw new FetchError('sends for a token to what is no URL')
    if (this.#basic !== undefined && realm.protocol !== 'https:')
      throw new FetchError('sends for a token to a place without TLS, where nobody signs in')
    for (const name of ['service', 'scope']) {
      const value = parameters.get(name)
      if (value !== undefined) realm.searchParams.set(name, value)
    }
    const { body, status } = await this.#get(
      realm,
      { accept: 'application/json', ...(this.#basic !== undefined && { authorization: this.#basic }) },
      { maxBytes: 65_536, passes: 401 },
    )
    const document = tokenDocument.safeParse(parseJson(body.toString('utf8'))).data
    const token = document?.token ?? document?.access_token
    if (status !== 200 || token === undefined || !/^[\w.~+/=-]+$/.test(token))
      throw new FetchError(this.#basic === undefined ? 'gives nobody a token who has not signed in' : this.#refusal)
    return token
  }
}
