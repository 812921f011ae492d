import type { HeaderMatch } from './virtual-host.ts'

/** How many requests a proxy takes, of those that a limit is about. */
export interface RequestLimit {
  /** Unique in a proxy. */
  readonly id: string
  /** The key of the object that says it. */
  readonly object: string
  /** A request counts that has all of these; none = every request does. */
  readonly match: readonly HeaderMatch[]
  /** Requests are counted apart by all of these together. */
  readonly by: readonly LimitKey[]
  /** Whether requests go through when the proxy can't hold it, or, of the scope MESH, the agent does not answer. */
  readonly failOpen: boolean
  /** It holds `burst` at most, and is filled with `requests` in `periodMs`. */
  readonly bucket: { readonly requests: number; readonly periodMs: number; readonly burst: number }
}

/** How many requests all proxies of the mesh take together: the agent knows. */
export interface MeshLimit extends Pick<RequestLimit, 'object' | 'match' | 'by' | 'failOpen'> {
  /** What the agent and the plane call it. */
  readonly id: string
}

/** What a request lacks counts as empty: whoever leaves it out shares one count with all who do. */
export type LimitKey =
  /** The SPIFFE ID that the client has proved. */
  | { readonly kind: 'principal' }
  /** The IP address that the request is from. */
  | { readonly kind: 'address' }
  | { readonly kind: 'header'; readonly name: string }
  | { readonly kind: 'method' | 'path' }
  /** A text in the payload of a verified token. */
  | { readonly kind: 'claim'; readonly path: readonly string[] }
