import {
  agentStateSecret,
  injectorGuard,
  injectorSecret,
  injectorWebhook,
  proxyConfigMap,
  reporterLease,
} from './conventions.ts'

/** What the agent may do in its cluster, and what for. The manifests and docs/kubernetes.md are made from this. */
export interface AgentRule {
  /** "cluster": a ClusterRole; "system": a Role in `systemNamespace`; "gateway": a Role in the namespace of each gateway that is installed. */
  readonly scope: 'cluster' | 'system' | 'gateway'
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
  /** Only the objects of these names. Absent = all. */
  readonly resourceNames?: readonly string[]
  readonly verbs: readonly string[]
  readonly why: string
}

const read = ['list', 'watch'] as const
const configurationKinds = {
  'networking.istio.io': [
    'virtualservices',
    'destinationrules',
    'gateways',
    'serviceentries',
    'workloadentries',
    'workloadgroups',
    'sidecars',
    'proxyconfigs',
    'envoyfilters',
  ],
  'security.istio.io': ['peerauthentications', 'requestauthentications', 'authorizationpolicies'],
  'telemetry.istio.io': ['telemetries'],
  'extensions.istio.io': ['wasmplugins'],
  'policy.atoll.dev': ['clientauthentications', 'ratelimits', 'proxyextensions'],
}

const ofConfiguration = Object.entries(configurationKinds).flatMap(([group, resources]): AgentRule[] => [
  {
    scope: 'cluster',
    apiGroups: [group],
    resources,
    verbs: read,
    why: "configuration objects of the cluster's own",
  },
  {
    scope: 'cluster',
    apiGroups: [group],
    resources: resources.map((kind) => `${kind}/status`),
    verbs: ['patch'],
    why: 'what is so of each of them, in its status; the rest of the object stays out of reach',
  },
])

export const agentRules: readonly AgentRule[] = [
  {
    scope: 'cluster',
    apiGroups: [''],
    resources: ['services', 'pods', 'namespaces', 'nodes'],
    verbs: read,
    why: 'the catalog of services, the workloads behind them, their networks and localities',
  },
  {
    scope: 'cluster',
    apiGroups: ['discovery.k8s.io'],
    resources: ['endpointslices'],
    verbs: read,
    why: 'the endpoints of services',
  },
  ...ofConfiguration,
  {
    scope: 'cluster',
    apiGroups: ['networking.istio.io'],
    resources: ['workloadentries'],
    verbs: ['get', 'create', 'update', 'delete'],
    why: 'the machines of WorkloadGroups, which come and go with their proxies. It writes none that a person has written',
  },
  {
    scope: 'cluster',
    apiGroups: ['authentication.k8s.io'],
    resources: ['tokenreviews'],
    verbs: ['create'],
    why: 'which pod is behind the token of a proxy',
  },
  {
    scope: 'cluster',
    apiGroups: [''],
    resources: ['serviceaccounts'],
    verbs: ['get'],
    why: 'whether the account of a connected proxy is still there',
  },
  {
    scope: 'cluster',
    apiGroups: [''],
    resources: ['configmaps'],
    resourceNames: [proxyConfigMap],
    verbs: ['list', 'update'],
    why: 'what proxies start with, in each namespace that has some',
  },
  {
    scope: 'cluster',
    apiGroups: [''],
    resources: ['configmaps'],
    verbs: ['create'],
    why: 'the same; Kubernetes can not restrict making by name',
  },
  {
    scope: 'cluster',
    apiGroups: ['admissionregistration.k8s.io'],
    resources: ['mutatingwebhookconfigurations'],
    resourceNames: [injectorWebhook],
    verbs: ['get', 'update'],
    why: `whom the API server believes that it is the injector. By itself this right would be one to change any object of the cluster, as a webhook is asked about what its rules name: the ValidatingAdmissionPolicy \`${injectorGuard}\` lets the agent change nothing of the webhooks but \`caBundle\``,
  },
  {
    scope: 'system',
    apiGroups: [''],
    resources: ['secrets'],
    resourceNames: [injectorSecret],
    verbs: ['get', 'update'],
    why: "the authority of the injector's certificates, which the replicas share",
  },
  {
    scope: 'system',
    apiGroups: [''],
    resources: ['secrets'],
    resourceNames: [agentStateSecret],
    verbs: ['get', 'update'],
    why: "the cluster's identity and intermediate, which the replicas share",
  },
  {
    scope: 'system',
    apiGroups: ['coordination.k8s.io'],
    resources: ['leases'],
    resourceNames: [reporterLease],
    verbs: ['get', 'update'],
    why: 'which replica reports',
  },
  {
    scope: 'system',
    apiGroups: [''],
    resources: ['secrets'],
    verbs: ['create'],
    why: 'to make these where they are not there yet',
  },
  {
    scope: 'system',
    apiGroups: ['coordination.k8s.io'],
    resources: ['leases'],
    verbs: ['create'],
    why: 'the same',
  },
  {
    scope: 'gateway',
    apiGroups: [''],
    resources: ['secrets'],
    verbs: read,
    why: 'the certificates that Gateways and DestinationRules name by `credentialName`; for gateways and sidecars elsewhere the agent reads them where a Role of yours lets it ([ingress.md](../ingress.md#in-kubernetes))',
  },
]
