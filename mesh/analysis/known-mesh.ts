/** What is known of the mesh beside the objects under analysis. */
export interface KnownMesh {
  readonly domainSuffix: string
  /** Whether some cluster offers this host name to clients in this namespace; undefined = it can't be known. */
  hasHost(hostname: string, namespace: string): boolean | undefined
}
