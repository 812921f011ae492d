/** An object of the Kubernetes API as it is written down. */
export interface KubernetesObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
  }
  readonly [field: string]: unknown
}

/** What is needed to name an object: to read it or to delete it. */
export type ObjectReference = Pick<KubernetesObject, 'apiVersion' | 'kind'> & {
  readonly metadata: { readonly name: string; readonly namespace?: string }
}

/** The resource of each kind that an installation consists of. */
const plurals: Readonly<Record<string, string>> = {
  Namespace: 'namespaces',
  ServiceAccount: 'serviceaccounts',
  ConfigMap: 'configmaps',
  Secret: 'secrets',
  Service: 'services',
  Deployment: 'deployments',
  PodDisruptionBudget: 'poddisruptionbudgets',
  NetworkPolicy: 'networkpolicies',
  Role: 'roles',
  RoleBinding: 'rolebindings',
  ClusterRole: 'clusterroles',
  ClusterRoleBinding: 'clusterrolebindings',
  MutatingWebhookConfiguration: 'mutatingwebhookconfigurations',
  ValidatingAdmissionPolicy: 'validatingadmissionpolicies',
  ValidatingAdmissionPolicyBinding: 'validatingadmissionpolicybindings',
  CustomResourceDefinition: 'customresourcedefinitions',
}

export interface ResourceType {
  /** "" for the core group. */
  readonly group: string
  readonly version: string
  readonly resource: string
}

export const toResourceType = ({ apiVersion, kind }: ObjectReference): ResourceType => {
  const resource = plurals[kind]
  if (resource === undefined) throw new Error(`${kind} is no part of an installation`)
  const [group = '', version] = apiVersion.split('/')
  return version === undefined ? { group: '', version: group, resource } : { group, version, resource }
}

/** Path of a resource's list in the API server. */
export const toListPath = ({ group, version, resource }: ResourceType, namespace?: string): string => {
  const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`
  return `${root}${namespace === undefined ? '' : `/namespaces/${namespace}`}/${resource}`
}

/** Path of an object in the API server. */
export const toObjectPath = (reference: ObjectReference): string =>
  `${toListPath(toResourceType(reference), reference.metadata.namespace)}/${reference.metadata.name}`

/** "Deployment atoll-system/atoll-agent" */
export const toObjectText = ({ kind, metadata: { name, namespace } }: ObjectReference): string =>
  `${kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`
