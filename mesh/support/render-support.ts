import type { z } from 'zod'
import { toApiVersion } from '../config/kind-definition.ts'
import { unsupportedKinds } from '../config/kind-table.ts'
import type { KindDefinition } from '../config/kind-definition.ts'
import { describeFields, describeSchema } from './describe-fields.ts'
import type { FieldDescription } from './describe-fields.ts'

const introduction = `# What of the configuration Atoll understands

<!-- Written by \`node scripts/support.ts\` from the schemas in mesh/config: do not edit. -->

Every field that upstream has is here. Fields mean what Istio's and Kubernetes' references say. What is refused makes an apply
fail with the code \`unsupported\` and the field's path; nothing is left out silently. \`[]\` is each entry of a list, \`{}\` each value of
a map. Durations are written as in Go: \`250ms\`, \`1h30m\`.
`

const differences = `## Where Atoll does something else than Istio

- locality failover needs no \`outlierDetection\`: endpoints that are not healthy, dead gateways and clusters that have gone are not
  in what a proxy gets, so \`failover\`, \`failoverPriority\` or \`enabled: true\` in a DestinationRule work alone; outlier detection
  switches it on too, as in Istio. A gateway of another network is as near as most of what is behind it
- of the VirtualServices that hold for a host the closest alone routes its TCP and TLS; Istio's sidecars go through all of them
- no virtual addresses are made up for ServiceEntries: without \`addresses\` TCP is told apart by its port alone
- \`simple: PASSTHROUGH\` holds for captured connections; those through a sidecar's HTTP proxy port have no destination of their own
  and are balanced by least request (with a problem in the proxy's report)
- \`tls.mode: ISTIO_MUTUAL\` takes \`subjectAltNames\` that are SPIFFE IDs, and always verifies
- a DestinationRule's \`credentialName\` is for gateways, and for sidecars that its \`workloadSelector\` selects; without one it makes a sidecar
  believe no server (with a warning), where Istio's would send plaintext. A sidecar is given the Secrets of its namespace that such rules
  name, and no others. No client has a use of one that is gone, where Istio's go on with it. A gateway is given what is named for it whatever its service account
  may read, where Istio wants it to be let list Secrets ([certificates](ingress.md#in-kubernetes))
- a \`tunnel\` is inherited by subsets
- a Gateway's \`ISTIO_MUTUAL\` takes \`subjectAltNames\` that are SPIFFE IDs of the mesh; on machines a server without \`bind\` listens on the
  WorkloadEntry's address alone
- a Gateway's server of TLS whose credential may not be had closes connections, and keeps its hosts from other servers
- what an EnvoyFilter merges replaces durations and wrapped scalars, where Istio loses a \`false\`; a \`typed_config\` of a type that Atoll
  does not know is passed on for the proxies to judge (with a warning), and what a proxy refuses is left out of its configuration; see
  [EnvoyFilter](envoy-filter.md) for names that differ
- an endpoint with a \`network\` and no \`address\` counts in its object's cluster alone, and in all clusters where the object is the mesh's; it
  is reached by mesh mTLS, and not where location or a DestinationRule says something else
- a WorkloadEntry of the mesh serves the mesh's ServiceEntries alone: Services, and a cluster's own ServiceEntries, are served by what
  their cluster holds (with a warning)
- an ExternalName of a host that no service has is resolved by the proxies, on the ports that it names; Istio's leave that to the client
- an HTTP proxy of a Sidecar that is bound to other addresses than loopback calls no hosts that the mesh does not know: others would reach by it
  whatever the workload reaches
- a Sidecar takes an ExternalName by its own namespace and name, and what it stands for by that one's; Istio's takes the name as if it were in the
  namespace of what it stands for. A host that \`~\` excludes is not routed, also where a VirtualService comes in by another of its hosts
- a VirtualService's host that no Service or ServiceEntry has is routed on port 80 also where no service is on that port, and by HTTP
  proxies; one that clients call a Service for short (\`reviews.default\`) is not, with a problem in the proxy's report: name it in full
- spans are named after the service that is called with its namespace before it, \`default/reviews.default.svc.cluster.local:9080/*\`, whichever route led there;
  where no provider is named a trace is gone on with all the same, in W3C's and B3's headers ([telemetry](telemetry.md#traces)). Tracers of \`opentelemetry\` keep what a
  caller has decided and decide on new traces themselves; Istio's take a caller's decision away where \`randomSamplingPercentage\` falls otherwise

- every request and connection is told to the mesh itself, whatever providers are named: to the provider \`atoll\`, which is built in. Naming others does not
  take its place, and naming it leaves others as they are; a Telemetry without \`providers\` speaks of it, too ([telemetry](telemetry.md#telemetry-objects-and-providers))
- \`accessLogging\` without \`providers\` is for all that its parents name, in the order of the rules, and for \`accessLogFile\`, with its \`filter\`; Istio's is for those of
  the rule before, and without the filter. What a rule says of one side of calls changes nothing of the other, where Istio's proxies lose the default providers
- metrics that a parent disables are on again where something says \`disabled: false\` of them, each by itself, as the reference says; in Istio any override of
  one turns all of them on
- \`envoyHttpAls\` is told of HTTP and \`envoyTcpAls\` of all else, as the reference says; Istio tells both of both
- an OTLP provider's \`labels\` may hold lists and objects, which Istio loses
- PeerAuthentications, RequestAuthentications and AuthorizationPolicies of the mesh and of a cluster add up, also those of one name: none replaces another. One that is
  refused closes the workloads that it is for until it is right ([who may talk to whom](security-policy.md))
- of several tokens in a request all have to be right, where Istio's proxies may let one wrong one pass; and where an application may read another one than the
  proxy, none passes ([who calls, by token](security-policy.md#who-calls-by-token)). Agents fetch keys at public addresses and where their configuration allows it;
  \`timeout\` is theirs, 10 s at most

Atoll is stricter where Istio lets through what Envoy refuses or misreads:

- names of headers to set, add or remove must be names (RFC 9110), and their values at most 16,384 bytes
- \`fault.abort.httpStatus\` and \`directResponse.status\` are at most 599, and \`fault.delay.percent\` from 0 to 100
- \`redirect.redirectCode\` is one of those that Envoy has; \`redirect\` takes one of \`port\`, \`derivePort\`
- \`consistentHash\` names a header, parameter or cookie with at least one character, and rings of at most 8,388,608 entries
- a subset that no DestinationRule of its host has is an error (\`dangling_reference\`), not a route to nowhere
- all names have at least one character and the syntax that Kubernetes demands; objects must have one
- a regular expression has at most 1,024 characters, as in Istio, and compiles to at most 32,768 instructions, Istio's limit to Envoy
- filters and labels of Telemetry are expressions of CEL that proxies evaluate: without loops, with the functions that Envoy has; \`matches\` takes an expression of
  100 instructions, Envoy's limit, and they are nested at most 32 levels deep, which is Envoy's, too;
  filters ask for attributes that Envoy has, with types that fit
- no label of Telemetry is named \`le\`, \`quantile\`, \`overflow\`, \`otel_metric_overflow\` or begins with \`__\`: Prometheus would refuse all metrics for it
- a JWK set is a set of keys, each of kty RSA, EC (P-256, P-384, P-521) or OKP (Ed25519). A secret key (\`oct\`) is refused: Istio takes it, and whoever may read the
  configuration could make tokens with it. A \`jwksUri\` names a host and no credentials; of \`jwksUri\` and \`jwks\` there is one, as in Istio's CRD
- RSA keys have 2,048 bits at least and 8,192 at most: tokens by others are refused
- \`from\` and \`to\` of an AuthorizationPolicy are not empty lists; headers in its conditions, and in RequestAuthentications, have names that headers can have; a path
  template begins with \`/\`. A list has at most 4,096 values of 2,048 characters, a rule at most 512 of each of \`from\`, \`to\`, \`when\`
- a YAML document may not hold a key twice, tags, or more than 100 anchors and aliases
`

const list = (values: readonly string[]): string => values.map((value) => `\`${value}\``).join(', ')

const describeSupport = ({ note }: FieldDescription): string => {
  if (note.refused !== undefined) return `refused: ${note.refused}`
  if (typeof note.withoutEffect === 'string') return `taken, without effect: ${note.withoutEffect}`
  if (note.withoutEffect) return 'taken, without effect'
  if (note.limit !== undefined) return `yes: ${note.limit}`
  if (!note.values) return 'yes'
  const refused = Object.entries(note.refusedValues ?? {}).map(
    ([value, reason]) => `; refused: \`${value}\` (${reason})`,
  )
  return `${list(note.values)}${refused.join('')}`
}

const row = (path: string, support: string): string => `| \`${path}\` | ${support} |`

/** A message that was described before is referred to. */
const toRows = (fields: readonly FieldDescription[], described: Map<object, string>): readonly string[] =>
  fields.flatMap((field) => {
    const before = field.message && described.get(field.message)
    if (before !== undefined) return [row(field.path, `as \`${before}\``)]
    if (field.message) described.set(field.message, field.path)
    const inner = toRows(field.fields, described)
    return inner.length === 0 ? [row(field.path, describeSupport(field))] : inner
  })

const renderKind = (definition: KindDefinition): string => {
  const apiVersions = definition.versions.map((version) => toApiVersion(definition, version))
  const rows = toRows(describeFields(definition), new Map())
  return `## ${definition.kind}\n\n${list(apiVersions)}\n\n| field of \`spec\` | supported |\n|---|---|\n${rows.join('\n')}\n`
}

const renderMeshConfig = (schema: z.ZodType): string => {
  const rows = toRows(describeSchema(schema), new Map())
  return `## MeshConfig\n\nThe mesh's settings, \`atoll mesh set --mesh-config FILE\`.\n\n| field | supported |\n|---|---|\n${rows.join('\n')}\n`
}

/** The fields that hold a value: what is refused as a whole is one. */
const toLeaves = (fields: readonly FieldDescription[]): readonly FieldDescription[] =>
  fields.flatMap((field) =>
    field.fields.length === 0 || field.note.refused !== undefined ? [field] : toLeaves(field.fields),
  )

const toTotals = (name: string, fields: readonly FieldDescription[]): string => {
  const leaves = toLeaves(fields)
  const refused = leaves.filter(({ note }) => note.refused !== undefined).length
  const idle = leaves.filter(({ note }) => note.refused === undefined && note.withoutEffect).length
  const [supported, all] = [leaves.length - refused - idle, leaves.length]
  return `| [${name}](#${name.toLowerCase()}) | ${all} | ${supported} | ${idle} | ${refused} |`
}

const renderTotals = (kinds: readonly KindDefinition[], meshConfig: z.ZodType): string =>
  [
    '| kind | fields | supported | taken, without effect | refused |',
    '|---|---|---|---|---|',
    ...kinds.map((definition) => toTotals(definition.kind, describeFields(definition))),
    toTotals('MeshConfig', describeSchema(meshConfig)),
    '',
    `Not supported yet, and refused as a whole: ${list(unsupportedKinds)}, and the kinds of \`gateway.networking.k8s.io\`.`,
    '',
  ].join('\n')

/** docs/support.md: every kind, every field, and a mesh's settings. */
export const renderSupport = (kinds: readonly KindDefinition[], meshConfig: z.ZodType): string =>
  [
    introduction,
    renderTotals(kinds, meshConfig),
    ...kinds.map(renderKind),
    renderMeshConfig(meshConfig),
    differences,
  ].join('\n')
