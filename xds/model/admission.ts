import type { KeySource } from '#mesh/config/client-authentication.ts'

/** How a proxy tells which client a request is of, by what a Secret of its namespace holds. */
export interface Admission {
  /** The key of the object that says so. */
  readonly object: string
  readonly secretName: string
  /** In which the client's name goes on. */
  readonly clientHeader: string
  /** How many wrong keys or passwords may come from an address, at each thread of a proxy; 0 = as many as somebody likes. */
  readonly wrongPerMinute: number
  /** By keys; absent = by users with passwords. */
  readonly keys?: {
    readonly from: readonly KeySource[]
    readonly forward: boolean
  }
}

/** A client, and the key, or what htpasswd makes of the password, that it is known by. */
export interface KnownClient {
  readonly client: string
  readonly proof: string
}
