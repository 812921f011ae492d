import { z } from 'zod'
import type { Configured } from '../config-object.ts'
import type { KindDefinition, Report } from './kind-definition.ts'
import { knownKeys, parseConditionKey, type ConditionKey } from './schema/condition-key.ts'
import { ipAddressOrCidr } from './schema/host-names.ts'
import { checked, choice, message, setFields } from './schema/message.ts'
import { pathTemplateFault, isPathTemplate } from './schema/path-template.ts'
import { isOneTarget, policyTargetFields } from './schema/policy-target.ts'
import { checkSecurityObject, dryRunAnnotation, istioSecurity, toClosedTarget } from './schema/security-object.ts'
import { isPattern, pattern, text, texts, trustDomains, valuesOf } from './schema/value-pattern.ts'

const portText = checked(z.string(), ({ value, report }) => {
  if (!/^\d{1,10}$/.test(value) || Number(value) > 65_535) report('must be a port number, as a string')
})

const serviceAccount = checked(text.max(320), ({ value, sound, report }) => {
  if (value.includes('*')) report('takes no "*": say each service account')
  else if (sound && !/^[^/]+(?:\/[^/]+)?$/.test(value))
    report('reads "namespace/name", or "name" for one of the same namespace')
})
/** Istio's limit. */
const maxServiceAccounts = 16
const serviceAccounts = valuesOf(serviceAccount, maxServiceAccounts)
const ipBlocks = valuesOf(ipAddressOrCidr)
const ports = valuesOf(portText)

const paths = valuesOf(
  checked(text, ({ value, report }) => {
    const fault = pathTemplateFault(value)
    if (fault !== undefined) report(fault)
  }),
)

const source = checked(
  message(
    {
      principals: texts,
      notPrincipals: texts,
      requestPrincipals: texts,
      notRequestPrincipals: texts,
      namespaces: texts,
      notNamespaces: texts,
      serviceAccounts,
      notServiceAccounts: serviceAccounts,
      trustDomains,
      notTrustDomains: trustDomains,
      ipBlocks,
      notIpBlocks: ipBlocks,
      remoteIpBlocks: ipBlocks,
      notRemoteIpBlocks: ipBlocks,
    },
    { meant: { serviceAccount: 'serviceAccounts', sourceIp: 'ipBlocks' } },
  ),
  ({ value, sound, report }) => {
    if (hasNoValues(value) && sound) report('names no source: for any source leave "from" out')
    const others = setFields(value, ['principals', 'notPrincipals', 'namespaces', 'notNamespaces'])
    for (const field of setFields(value, ['serviceAccounts', 'notServiceAccounts']))
      if (others.length > 0) report(`can not be beside ${others.join(', ')}`, [field])
  },
)
export type AuthorizationSource = z.output<typeof source>

const operation = checked(
  message({
    hosts: texts,
    notHosts: texts,
    ports,
    notPorts: ports,
    methods: texts,
    notMethods: texts,
    paths,
    notPaths: paths,
  }),
  ({ value, sound, report }) => {
    if (hasNoValues(value) && sound) report('names no operation: for any operation leave "to" out')
  },
)
export type AuthorizationOperation = z.output<typeof operation>

const condition = checked(
  message({
    /** Read it with `parseConditionKey`. */
    key: z.string().min(1, 'is required').max(2048),
    values: texts,
    notValues: texts,
  }),
  ({ value, report }) => {
    const parsed = parseConditionKey(value.key)
    if ('fault' in parsed) return report(parsed.fault, ['key'], parsed.isUnknown ? { known: knownKeys } : undefined)
    if (hasNoValues({ values: value.values, notValues: value.notValues })) report('needs values or notValues')
    const schema = valueSchemas[parsed.key.attribute]
    if (!schema) return
    for (const field of ['values', 'notValues'] as const)
      for (const [index, each] of (value[field] ?? []).entries()) {
        const fault = schema.safeParse(each).error?.issues[0]?.message
        if (fault !== undefined) report(fault, [field, index])
      }
    if (parsed.key.attribute === 'source.serviceAccount')
      for (const field of ['values', 'notValues'] as const)
        if ((value[field]?.length ?? 0) > maxServiceAccounts) report(`takes ${maxServiceAccounts} at most`, [field])
  },
)
export type AuthorizationCondition = z.output<typeof condition>

/** Of attributes whose values have a form of their own. */
const valueSchemas: Partial<Record<ConditionKey['attribute'], z.ZodType>> = {
  'source.ip': ipAddressOrCidr,
  'remote.ip': ipAddressOrCidr,
  'destination.ip': ipAddressOrCidr,
  'destination.port': portText,
  'source.serviceAccount': serviceAccount,
  'source.trustDomain': pattern,
  'source.cluster': pattern,
}

/** Istio's limit on rules and on sources; here on operations and conditions, too. */
const maxEntries = 512
const noneOfThem = 'must have an entry: leave it out for any'

const rule = message({
  /** Absent: any source. */
  from: z.array(message({ source })).min(1, noneOfThem).max(maxEntries).optional(),
  /** Absent: any operation. */
  to: z.array(message({ operation })).min(1, noneOfThem).max(maxEntries).optional(),
  when: z.array(condition).max(maxEntries).default([]),
})
export type AuthorizationRule = z.output<typeof rule>

const actions = ['ALLOW', 'DENY', 'AUDIT', 'CUSTOM'] as const

/** Istio reference: AuthorizationPolicy. */
const authorizationPolicySpec = checked(
  message({
    ...policyTargetFields,
    action: choice(actions).default('ALLOW'),
    /** Of CUSTOM: an extension provider of the mesh's settings. */
    provider: message({ name: z.string().default('') }).optional(),
    /** Empty: it matches nothing, so that ALLOW allows nothing. A rule without fields matches everything. */
    rules: z.array(rule).max(maxEntries).default([]),
  }),
  ({ value, report }) => {
    const { action, provider, rules } = value
    if (!isOneTarget(value)) report('takes one of selector, targetRef, targetRefs')
    if (rules.length === 0 && (action === 'DENY' || action === 'CUSTOM'))
      report(`are missing: ${action} without rules is for no request, and for all with the rule {}`, ['rules'])
    if (action !== 'CUSTOM') {
      if (provider) report('is for the action CUSTOM only', ['provider'])
      return
    }
    if (rules.length > 0 && !provider?.name) report('is required by the action CUSTOM', ['provider', 'name'])
    for (const [index, each] of rules.entries())
      for (const path of findIdentities(each))
        report('can not be asked by the action CUSTOM, which comes before the caller is known', [
          'rules',
          index,
          ...path,
        ])
  },
)
export type AuthorizationPolicySpec = z.output<typeof authorizationPolicySpec>

const hasNoValues = (message: Readonly<Record<string, readonly string[] | undefined>>): boolean =>
  Object.values(message).every((each) => (each?.length ?? 0) === 0)

/** Fields of a source that ask who calls. */
const identityFields = [
  'principals',
  'notPrincipals',
  'requestPrincipals',
  'notRequestPrincipals',
  'namespaces',
  'notNamespaces',
  'serviceAccounts',
  'notServiceAccounts',
  'trustDomains',
  'notTrustDomains',
] as const
const identityKey = /^(?:source\.(?:namespace|serviceAccount|trustDomain|principal)$|request\.auth\.)/

const findIdentities = ({ from = [], when }: AuthorizationRule): readonly PropertyKey[][] => [
  ...from.flatMap(({ source: asked }, index) =>
    identityFields.filter((field) => (asked[field]?.length ?? 0) > 0).map((field) => ['from', index, 'source', field]),
  ),
  ...when.flatMap(({ key }, index) => (identityKey.test(key) ? [['when', index, 'key']] : [])),
]

/** What connections without requests have of a source. */
const connectionFields = [
  'principals',
  'notPrincipals',
  'namespaces',
  'notNamespaces',
  'serviceAccounts',
  'notServiceAccounts',
  'ipBlocks',
  'notIpBlocks',
  'remoteIpBlocks',
  'notRemoteIpBlocks',
] as const

/** Whether a DENY rule asks of requests alone: of a connection that is none of HTTP it denies everything. Istio: ValidateAuthorizationPolicy. */
const isForRequestsAlone = ({ from, to }: AuthorizationRule): boolean => {
  if (to) return to.every(({ operation: asked }) => setFields(asked, ['ports', 'notPorts']).length === 0)
  return from !== undefined && from.every(({ source: asked }) => setFields(asked, connectionFields).length === 0)
}

/** Fields whose stars are more than letters at the beginning and at the end alone; of namespaces they are anywhere (Istio). */
const patternFields: readonly string[] = [
  'principals',
  'notPrincipals',
  'requestPrincipals',
  'notRequestPrincipals',
  'hosts',
  'notHosts',
  'methods',
  'notMethods',
  'paths',
  'notPaths',
  'values',
  'notValues',
]

const warnOfStars = (
  message: object,
  path: readonly PropertyKey[],
  warn: (path: readonly PropertyKey[], text: string) => void,
) => {
  for (const [field, listed] of Object.entries<unknown>({ ...message }))
    if (patternFields.includes(field) && Array.isArray(listed))
      for (const [index, each] of listed.entries())
        if (typeof each === 'string' && !isPattern(each) && !isPathTemplate(each))
          warn([...path, field, index], 'a "*" is any text at the beginning or at the end alone: this is a letter')
}

/** Principals are compared without the scheme of a SPIFFE ID: with it they are nobody's. */
const warnOfSchemes = (
  names: unknown,
  path: readonly PropertyKey[],
  warn: (path: readonly PropertyKey[], text: string) => void,
) => {
  if (!Array.isArray(names)) return
  for (const [index, each] of names.entries())
    if (typeof each === 'string' && each.startsWith('spiffe://'))
      warn([...path, index], `matches nobody: write it without its scheme, "${each.slice('spiffe://'.length)}"`)
}

/** Go's strconv.ParseBool. */
const yes: readonly string[] = ['1', 't', 'T', 'true', 'TRUE', 'True']
const no: readonly string[] = ['0', 'f', 'F', 'false', 'FALSE', 'False']

/** Whether a policy is only to be judged by: what it would do is told, and nothing is refused for it. */
export const isDryRun = ({ metadata }: Pick<Configured<unknown>, 'metadata'>): boolean =>
  yes.includes(metadata.annotations?.[dryRunAnnotation] ?? '')

/** Of a spec whatever else is wrong with it. */
const triable = z.object({ action: z.enum(['ALLOW', 'DENY', 'AUDIT']).optional() })

export const authorizationPolicy: KindDefinition<AuthorizationPolicySpec> = {
  ...istioSecurity,
  kind: 'AuthorizationPolicy',
  plural: 'authorizationpolicies',
  schema: authorizationPolicySpec,
  closed: (spec) => ({ ...toClosedTarget(spec), action: 'DENY', rules: [{}] }),
  /** Whom somebody else was to decide about is not let in for a word that nobody understood. */
  misplacedAnnotations: (spec) => (triable.safeParse(spec).success ? [] : [dryRunAnnotation]),
  check(object, report: Report) {
    const { spec, metadata } = object
    checkSecurityObject(object, report, { dryRun: true })
    const dryRun = metadata.annotations?.[dryRunAnnotation]
    if (dryRun !== undefined) {
      const path = ['metadata', 'annotations', dryRunAnnotation]
      if (spec.action !== 'ALLOW' && spec.action !== 'DENY') report(path, 'is for the actions ALLOW and DENY')
      else if (![...yes, ...no].includes(dryRun)) report(path, 'must be true or false')
    }
    const warn = (path: readonly PropertyKey[], text: string) =>
      report(['spec', ...path], text, { severity: 'warning' })
    for (const [index, each] of spec.rules.entries()) {
      if (spec.action === 'DENY' && isForRequestsAlone(each))
        warn(
          ['rules', index],
          'asks of HTTP requests alone: connections to ports that are not of HTTP are all denied by it. Say the ports, where that is not meant',
        )
      if (spec.action === 'CUSTOM' && isForRequestsAlone(each))
        warn(
          ['rules', index],
          'asks of HTTP requests alone: of connections to ports that are not of HTTP a provider of gRPC is asked about each, and with one of HTTP all are denied. Say the ports, where that is not meant',
        )
      for (const [place, { source: asked }] of (each.from ?? []).entries()) {
        const path = ['rules', index, 'from', place, 'source']
        warnOfStars(asked, path, warn)
        warnOfSchemes(asked.principals, [...path, 'principals'], warn)
        warnOfSchemes(asked.notPrincipals, [...path, 'notPrincipals'], warn)
      }
      for (const [place, { operation: asked }] of (each.to ?? []).entries())
        warnOfStars(asked, ['rules', index, 'to', place, 'operation'], warn)
      for (const [place, asked] of each.when.entries())
        if (asked.key !== 'source.namespace') warnOfStars(asked, ['rules', index, 'when', place], warn)
    }
    if (spec.action === 'AUDIT' && spec.rules.length === 0) warn(['rules'], 'without rules it is for no request')
  },
}
