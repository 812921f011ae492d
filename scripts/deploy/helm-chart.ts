import { z } from 'zod'
import { buildInjectorWebhook } from '#cli/kubernetes/manifests/injector-webhook.ts'
import { configHashAnnotation } from '#cli/kubernetes/manifests/agent-deployment.ts'
import { buildManifests } from '#cli/kubernetes/manifests/build-manifests.ts'
import { agentResources, defaultReplicas, gatewayResources } from '#cli/kubernetes/manifests/install-settings.ts'
import type { InstallSettings } from '#cli/kubernetes/manifests/install-settings.ts'
import { forwardFile, toForwardMount, toForwardPath } from '#cli/kubernetes/manifests/telemetry-forward.ts'
import type { KubernetesObject } from '#cli/kubernetes/kubernetes-object.ts'
import { egressGateway, ingressGateway, istioNamespace } from '#mesh/kubernetes/installed-gateways.ts'
import { toYaml } from '#cli/kubernetes/manifests/to-yaml.ts'
import {
  agentName,
  defaultRevision,
  eastWestGatewayName,
  injectorGuard,
  injectorWebhook,
  systemNamespace,
} from '#mesh/kubernetes/conventions.ts'

/** What stands for a value in the manifests, and the expression that takes its place. */
const expressions: Readonly<Record<string, string>> = {
  CLUSTER: 'required "cluster: the name to join under" .Values.cluster',
  NETWORK: '.Values.network | default .Values.cluster',
  PLANE: 'required "plane: the URL of the control plane, as pods reach it" .Values.plane',
  PLANECA: '.Values.planeCa',
  JOINTOKEN: '.Values.joinToken',
  IMAGE: '.Values.image | default (printf "atoll/agent:%s" .Chart.AppVersion)',
  PROXYIMAGE: '.Values.proxyImage | default (printf "atoll/proxy:%s" .Chart.AppVersion)',
  GATEWAYSERVICE: 'ternary "NodePort" "LoadBalancer" (eq .Values.gateway "nodeport")',
  GATEWAYADDRESS: '.',
  REVISION: '.Values.revision',
}
const marker = (name: keyof typeof expressions): string => `HELM_${name}`
const REPLICAS = 987_654_321

const settings: InstallSettings = {
  cluster: marker('CLUSTER'),
  network: marker('NETWORK'),
  plane: marker('PLANE'),
  planeCa: marker('PLANECA'),
  joinToken: marker('JOINTOKEN'),
  image: marker('IMAGE'),
  proxyImage: marker('PROXYIMAGE'),
  replicas: REPLICAS,
  gateway: { service: 'LoadBalancer', addresses: [marker('GATEWAYADDRESS')] },
  ingressGateway: ingressGateway.namespace,
  egressGateway: egressGateway.namespace,
  failurePolicy: 'Fail',
  revision: marker('REVISION'),
}

interface Edit {
  readonly find: RegExp
  readonly replace: string
}

const onlyIf = (value: string): Pick<Edit, 'replace'> => ({
  replace: `{{- if .Values.${value} }}\n$&\n{{- end }}`,
})

const configEdits: readonly Edit[] = [
  {
    find: /^ +gateways:\n +- HELM_GATEWAYADDRESS$/m,
    replace: '    {{- with .Values.gatewayAddresses }}\n    gateways: {{ toJson . }}\n    {{- end }}',
  },
  {
    find: /^ +joinTokenFile: .*$/m,
    replace: `$&
    {{- with .Values.jwks }}
    jwks: {{ toJson . }}
    {{- end }}
    {{- with .Values.wasm }}
    wasm: {{ toJson . }}
    {{- end }}
    {{- with .Values.telemetryForward }}
    telemetryForward:
    {{- range $place, $each := . }}
    {{- $own := omit $each "headersSecret" "caConfigMap" "caSecret" }}
    {{- if .headersSecret }}{{ $_ := set $own "headersFile" (printf "${toForwardPath('%d', 'headers')}" $place) }}{{ end }}
    {{- if or .caConfigMap .caSecret }}{{ $_ := set $own "caFile" (printf "${toForwardPath('%d', 'ca')}" $place) }}{{ end }}
      - {{ toJson $own }}
    {{- end }}
    {{- end }}`,
  },
  { find: /^ +planeCaFile: .*$/m, ...onlyIf('planeCa') },
  { find: /^ +plane-ca.pem: HELM_PLANECA$/m, ...onlyIf('planeCa') },
]

/** As toForwardMounts and toForwardVolumes have it, by values. */
const toMountText = (what: 'headers' | 'ca'): string => {
  const { name, mountPath } = toForwardMount('{{ $place }}', what)
  return `            - name: ${name}
              mountPath: ${mountPath}
              readOnly: true`
}
const toVolumeText = (source: string, what: 'headers' | 'ca'): string =>
  `        - name: ${toForwardMount('{{ $place }}', what).name}
          ${source}
            items:
              - key: {{ .key | quote }}
                path: ${forwardFile[what]}`
const forwardEdits: readonly Edit[] = [
  {
    find: /^ +- name: tmp\n +mountPath: .*$/m,
    replace: `$&
            {{- range $place, $each := .Values.telemetryForward }}
            {{- if .headersSecret }}
${toMountText('headers')}
            {{- end }}
            {{- if or .caConfigMap .caSecret }}
${toMountText('ca')}
            {{- end }}
            {{- end }}`,
  },
  {
    find: /^ +- name: tmp\n +emptyDir: .*$/m,
    replace: `$&
        {{- range $place, $each := .Values.telemetryForward }}
        {{- with .headersSecret }}
${toVolumeText('secret:\n            secretName: {{ .name | quote }}\n            optional: true', 'headers')}
        {{- end }}
        {{- with .caConfigMap }}
${toVolumeText('configMap:\n            name: {{ .name | quote }}', 'ca')}
        {{- end }}
        {{- with .caSecret }}
${toVolumeText('secret:\n            secretName: {{ .name | quote }}', 'ca')}
        {{- end }}
        {{- end }}`,
  },
]

/** A container's resources, not those of a role. */
const resourceEdit = (program: string): Edit => ({
  find: /^( +)resources:\n\1 +requests:\n(?:\1 +.*\n)+/m,
  replace: `$1resources: {{- toYaml .Values.resources.${program} | nindent 12 }}\n`,
})
const replicaEdit: Edit = { find: new RegExp(`replicas: ${REPLICAS}`), replace: 'replicas: {{ .Values.replicas }}' }

/** A file of templates/: its objects, and what of their text is a matter of values. */
interface Template {
  readonly name: string
  readonly holds: (object: KubernetesObject) => boolean
  readonly edits?: readonly Edit[]
  /** The file is empty unless this holds. */
  readonly condition?: string
}

const isNamed = (name: string) => (object: KubernetesObject) => object.metadata.name === name
const isOfNamespace =
  (name: string) =>
  ({ kind, metadata }: KubernetesObject) =>
    metadata.namespace === name || (kind === 'Namespace' && metadata.name === name)
const isKind =
  (...kinds: readonly string[]) =>
  ({ kind }: KubernetesObject) =>
    kinds.includes(kind)

/** The same gateway in Istio's namespace, which has to be there: Helm takes over none that is. */
const ofIstioNamespace =
  (name: string) =>
  ({ kind, metadata }: KubernetesObject) =>
    kind !== 'Namespace' && metadata.namespace === istioNamespace && metadata.name === name

const isIn = (value: string): string => `eq (toString .Values.${value}) "${istioNamespace}"`

/** Each object goes to the first template that holds it. */
const templates: readonly Template[] = [
  {
    name: 'ingress-gateway',
    holds: isOfNamespace(ingressGateway.namespace),
    edits: [replicaEdit, resourceEdit('gateway'), { find: /type: LoadBalancer/, replace: 'type: HELM_GATEWAYSERVICE' }],
    condition: `and .Values.ingressGateway (not (${isIn('ingressGateway')}))`,
  },
  {
    name: 'ingress-gateway-at-istio',
    holds: ofIstioNamespace(ingressGateway.name),
    edits: [replicaEdit, resourceEdit('gateway'), { find: /type: LoadBalancer/, replace: 'type: HELM_GATEWAYSERVICE' }],
    condition: isIn('ingressGateway'),
  },
  {
    name: 'egress-gateway',
    holds: isOfNamespace(egressGateway.namespace),
    edits: [replicaEdit, resourceEdit('gateway')],
    condition: `and .Values.egressGateway (not (${isIn('egressGateway')}))`,
  },
  {
    name: 'egress-gateway-at-istio',
    holds: ofIstioNamespace(egressGateway.name),
    edits: [replicaEdit, resourceEdit('gateway')],
    condition: isIn('egressGateway'),
  },
  { name: 'namespace', holds: isKind('Namespace') },
  {
    name: 'east-west-gateway',
    holds: isNamed(eastWestGatewayName),
    edits: [replicaEdit, resourceEdit('gateway'), { find: /type: LoadBalancer/, replace: 'type: HELM_GATEWAYSERVICE' }],
    condition: 'ne .Values.gateway "none"',
  },
  { name: 'join-token', holds: isKind('Secret'), condition: '.Values.joinToken' },
  { name: 'agent-config', holds: isKind('ConfigMap'), edits: configEdits },
  { name: 'agent-access', holds: isKind('ServiceAccount', 'ClusterRole', 'ClusterRoleBinding', 'Role', 'RoleBinding') },
  {
    name: 'agent-deployment',
    holds: isKind('Deployment'),
    edits: [
      replicaEdit,
      resourceEdit('agent'),
      ...forwardEdits,
      {
        find: new RegExp(`${configHashAnnotation}: .*`),
        replace: `${configHashAnnotation}: {{ include (print $.Template.BasePath "/agent-config.yaml") . | sha256sum }}`,
      },
    ],
  },
  { name: 'agent-network', holds: isNamed(agentName) },
  { name: 'injector-guard', holds: isNamed(injectorGuard) },
]

/** People's certificates are in a gateway's namespace: Helm is not to delete it with the gateway, nor with the release. */
const withNamespaceKept = (object: KubernetesObject): KubernetesObject => {
  const { kind, metadata } = object
  if (kind !== 'Namespace' || metadata.name === systemNamespace) return object
  return { ...object, metadata: { ...metadata, annotations: { 'helm.sh/resource-policy': 'keep' } } }
}

const generated = '{{- /* Made by "npm run generate:deploy" from cli/kubernetes/manifests. */ -}}\n'

const toTemplate = ({ edits = [], condition }: Template, objects: readonly KubernetesObject[]): string => {
  const text = edits.reduce(replaceOnce, objects.map((object) => toYaml(withNamespaceKept(object))).join('---\n'))
  return `${generated}${condition === undefined ? text : `{{- if ${condition} }}\n${text}{{- end }}\n`}`
}

/** Throws when the manifests are no more what the edit is for. */
const replaceOnce = (text: string, { find, replace }: Edit): string => {
  if (!find.test(text)) throw new Error(`the manifests have nothing like ${find.source}`)
  return text.replace(find, replace)
}

const withExpressions = (text: string): string =>
  text.replaceAll(/HELM_([A-Z]+)/g, (_, name: string) => `{{ ${expressions[name] ?? ''} | quote }}`)

const toWebhookList = (revision: string): readonly unknown[] =>
  z.object({ webhooks: z.array(z.unknown()) }).parse(buildInjectorWebhook({ ...settings, revision })).webhooks

/** An installation whose revision is the default also takes pods that name none: more webhooks. */
const toWebhookTemplate = (): string => {
  const ofRevision = toWebhookList(settings.revision)
  const more = toWebhookList(defaultRevision).slice(ofRevision.length)
  const moreItems = toYaml({ webhooks: more }).replace('webhooks:\n', '')
  const text = `${toYaml(buildInjectorWebhook(settings))}{{- if eq .Values.revision "${defaultRevision}" }}\n${moreItems}{{- end }}\n`
  return `${generated}${text.replaceAll('failurePolicy: Fail', 'failurePolicy: {{ .Values.failurePolicy }}')}`
}

/** Every value with what it is for, in the order in which people set them. */
const toValues = (): string => `# Made by "npm run generate:deploy". Only plane, cluster and joinToken have to be set.

# URL of the control plane, as pods reach it.
plane: ""
# PEM of the authority of the plane's certificate, if it is a private one.
planeCa: ""
# The name to join under.
cluster: ""
# Addresses of one network reach each other directly. Default: the name of the cluster.
network: ""
# Made by "atoll cluster join NAME --network NETWORK --kind kubernetes": for once, and an hour. Empty once the cluster has joined.
joinToken: ""

# Default: atoll/agent and atoll/proxy with the chart's version.
image: ""
proxyImage: ""
# Of the agent and of each gateway.
replicas: ${defaultReplicas}
# Of the east-west gateway's Service: loadbalancer, nodeport, or none for no gateway.
gateway: loadbalancer
# Gateways for Istio's Gateway objects with the selector istio: ingressgateway, or istio: egressgateway: true for a namespace of its own,
# or ${istioNamespace}, which has to be there, and where the agent may read no Secrets.
ingressGateway: false
egressGateway: false
# host:port of the gateways as other networks reach them, where the cluster can't tell.
gatewayAddresses: []
# Backends that are sent telemetry too: see docs/telemetry.md#forwarding. What is secret stays in Secrets of ${systemNamespace}:
#   - endpoint: https://otlp.example.com/otlp
#     signals: [traces]                             # default: all
#     slowMilliseconds: 250
#     headersSecret: {name: otlp, key: headers}     # a line "<name>: <value>" for each header
#     caConfigMap: {name: otlp-ca, key: ca.crt}     # or caSecret
telemetryForward: []
# Where the keys of issuers may be fetched that have no public address, and whom their servers are verified against: see
# docs/security-policy.md#where-keys-come-from:
#   allow: ['*.svc.cluster.local', keycloak.corp.example]
#   caFile: /var/run/secrets/kubernetes.io/serviceaccount/ca.crt
jwks: {}
# The same of the modules that WasmPlugins name: see docs/extensions.md#where-modules-come-from.
wasm: {}
# What happens to new pods while no agent answers: Fail keeps them from starting, Ignore lets them start without a proxy.
failurePolicy: Fail
# Of the injector; another than default where Istio injects by default.
revision: ${defaultRevision}

${toYaml({ resources: { agent: agentResources, gateway: gatewayResources } })}`

const entry = {
  type: 'object',
  additionalProperties: false,
  required: ['name', 'key'],
  properties: { name: { type: 'string', minLength: 1 }, key: { type: 'string', minLength: 1 } },
}

const outside = {
  type: 'object',
  additionalProperties: false,
  properties: {
    allow: { type: 'array', maxItems: 256, items: { type: 'string' } },
    caFile: { type: 'string', minLength: 1 },
  },
}

/** What would be taken for something else: Helm refuses it by its name. */
const valuesSchema = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  type: 'object',
  properties: {
    replicas: { type: 'integer', minimum: 1 },
    gateway: { enum: ['loadbalancer', 'nodeport', 'none'] },
    ingressGateway: { enum: [true, false, ingressGateway.namespace, istioNamespace] },
    egressGateway: { enum: [true, false, egressGateway.namespace, istioNamespace] },
    gatewayAddresses: { type: 'array', items: { type: 'string' } },
    jwks: outside,
    wasm: outside,
    telemetryForward: {
      type: 'array',
      maxItems: 8,
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['endpoint'],
        properties: {
          endpoint: { type: 'string', pattern: '^https?://' },
          signals: { type: 'array', minItems: 1, items: { enum: ['logs', 'metrics', 'traces'] } },
          slowMilliseconds: { type: 'integer', minimum: 0, maximum: 86_400_000 },
          headersSecret: entry,
          caConfigMap: entry,
          caSecret: entry,
        },
        // Secret headers go over TLS, and there is one authority.
        dependencies: {
          headersSecret: { properties: { endpoint: { pattern: '^https://' } } },
          caConfigMap: { not: { required: ['caSecret'] } },
        },
      },
    },
    failurePolicy: { enum: ['Fail', 'Ignore'] },
  },
}

/** The chart's files by their paths; upstream's CRDs in crds/ are not among them. */
export const toHelmChart = (version: string): Readonly<Record<string, string>> => {
  const atIstio = { ...settings, ingressGateway: istioNamespace, egressGateway: istioNamespace }
  const objects = [
    ...buildManifests(settings).filter(({ metadata }) => metadata.name !== injectorWebhook),
    ...buildManifests(atIstio).filter(({ metadata }) => metadata.namespace === istioNamespace),
  ]
  const files = templates.map((template) => {
    const held = objects.filter((object) => templates.find(({ holds }) => holds(object)) === template)
    return [`templates/${template.name}.yaml`, withExpressions(toTemplate(template, held))] as const
  })
  return {
    'Chart.yaml': toYaml({
      apiVersion: 'v2',
      name: 'atoll',
      description: 'The agent of a cluster of an Atoll mesh, its injector and its east-west gateway',
      type: 'application',
      version,
      appVersion: version,
      kubeVersion: '>=1.30.0-0',
    }),
    'values.yaml': toValues(),
    'values.schema.json': `${JSON.stringify(valuesSchema, undefined, 2)}\n`,
    ...Object.fromEntries(files),
    'templates/injector-webhook.yaml': withExpressions(toWebhookTemplate()),
  }
}
