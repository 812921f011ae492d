/** Where the module of a WasmPlugin is. */
export type ModulePlace =
  | { readonly kind: 'http'; readonly url: string }
  | {
      readonly kind: 'image'
      /** "host" or "host:port". */
      readonly registry: string
      readonly repository: string
      readonly tag: string | undefined
      /** SHA-256 of the manifest. */
      readonly digest: string | undefined
    }

const httpForm = /^https?:\/\/[^/?#@\s]+(?:[/?#]\S*)?$/i
const scheme = /^([a-z][a-z0-9+.-]*):\/\//i
const pathPart = /^[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*$/
const tagForm = /^\w[\w.-]{0,127}$/
const digestForm = /^sha256:([a-f0-9]{64})$/
const hostForm = /^[a-zA-Z0-9][a-zA-Z0-9.-]*(?::\d{1,5})?$|^\[[0-9a-fA-F:.]+\](?::\d{1,5})?$/

/** Docker's own, of images that name no registry. */
export const dockerHub = 'registry-1.docker.io'

/** A URL, or what is wrong with it. Without a scheme it names an image (Istio reference: WasmPlugin.url). */
export const parseModuleUrl = (text: string): ModulePlace | string => {
  const found = scheme.exec(text)?.[1]?.toLowerCase()
  if (found === 'http' || found === 'https')
    return httpForm.test(text) ? { kind: 'http', url: text } : 'is not a URL, or holds a user name or a password'
  if (found === 'file') return 'is a file of a proxy, and a proxy has none of yours: publish it by https:// or oci://'
  if (found !== undefined && found !== 'oci') return 'must be of one of http://, https://, oci://'
  return parseImage(found === undefined ? text : text.slice('oci://'.length))
}

const parseImage = (text: string): ModulePlace | string => {
  const [named = '', digestText, ...rest] = text.split('@')
  const digest = digestText === undefined ? undefined : digestForm.exec(digestText)?.[1]
  if (rest.length > 0 || (digestText !== undefined && digest === undefined))
    return 'has no digest of the form @sha256:…'
  const slash = named.indexOf('/')
  const first = slash < 0 ? '' : named.slice(0, slash)
  const isHost = /[.:]/.test(first) || first === 'localhost'
  const path = isHost ? named.slice(slash + 1) : named
  const colon = path.lastIndexOf(':')
  const repository = colon < 0 ? path : path.slice(0, colon)
  const tag = colon < 0 ? undefined : path.slice(colon + 1)
  const isNamed = repository.split('/').every((part) => pathPart.test(part))
  if (!isNamed || (isHost && !hostForm.test(first)) || (tag !== undefined && !tagForm.test(tag)))
    return 'is not an image: [<registry>/]<repository>[:<tag>][@sha256:<digest>]'
  const isHub = !isHost || ['docker.io', 'index.docker.io'].includes(first)
  return {
    kind: 'image',
    registry: isHub ? dockerHub : first,
    repository: isHub && !repository.includes('/') ? `library/${repository}` : repository,
    tag: tag ?? (digest === undefined ? 'latest' : undefined),
    digest,
  }
}
