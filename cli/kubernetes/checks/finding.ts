/** What a check of a cluster found out. Codes are stable: docs/kubernetes.md lists them. */
export type Finding =
  | { readonly check: CheckName; readonly status: 'ok'; readonly message: string }
  | {
      readonly check: CheckName
      /** A warning does not keep a cluster from joining. */
      readonly status: 'warning' | 'failure'
      readonly code: FindingCode
      readonly message: string
      readonly remedy: string
    }

export type CheckName = 'version' | 'permissions' | 'crds' | 'injector' | 'installed' | 'network' | 'plane'

/** Every way in which a cluster can be unfit, or need a second look. */
export const findingCodes = {
  version_too_old: 'Kubernetes is older than what the manifests need.',
  permission_missing: 'You may not make one of the objects that an installation consists of.',
  crd_foreign: "Upstream's CRDs are there already and stay as they are; a field that they lack cannot be used here.",
  injector_conflict: 'Another injector takes the same namespaces: pods would get two proxies.',
  other_cluster: 'Atoll is installed there under another name.',
  pod_range_overlap: "Pods have addresses that another cluster's pods on the same network have.",
  pod_range_unknown: 'The nodes do not say which addresses their pods get.',
  plane_on_loopback: "The plane's URL leads to this machine: pods would look for it in themselves.",
  plane_unreachable: 'The plane that you use does not answer here, or has no such mesh.',
  plane_not_asked: "The plane's URL for pods gets no answer from this machine; pods may reach it all the same.",
  plane_unknown: "What answers at the plane's URL for pods is no plane.",
  plane_untrusted: "Nobody whom pods will believe vouches for the plane's certificate.",
} as const
export type FindingCode = keyof typeof findingCodes
