import { z } from 'zod'
import type { KindDefinition } from './kind-definition.ts'
import { findRepeated } from './schema/find-repeated.ts'
import { isHeaderName } from './schema/header-operations.ts'
import { matchLabelsSelector } from './schema/labels.ts'
import { checked, message, optionalText, setFields } from './schema/message.ts'
import { isOneTarget, policyTargetFields, warnOfTarget } from './schema/policy-target.ts'
import { secretName } from './schema/secret-name.ts'
import { toClosedTarget } from './schema/security-object.ts'

/** What Envoy, or who is called, takes for the proxies' own word. */
const takenHeaders = /^x-(envoy|forwarded|request-id$)/i

/** Nobody but the proxy says it: what a client sends by this name is replaced, or refused with the request. */
const clientHeader = checked(z.string(), ({ value, report }) => {
  if (!isHeaderName(value) || !value.toLowerCase().startsWith('x-') || takenHeaders.test(value))
    report('must be a header that begins with "x-", and none of x-envoy-*, x-forwarded-* and x-request-id')
})

const sourceForms = ['header', 'query', 'cookie'] as const

/** Where a key is looked for. */
const keySource = checked(
  message({
    header: optionalText(
      checked(z.string(), ({ value, report }) => {
        if (!isHeaderName(value)) report('is not a header name')
      }),
    ),
    query: optionalText(z.string().max(100)),
    cookie: optionalText(
      checked(z.string(), ({ value, report }) => {
        if (!isHeaderName(value)) report("is not a cookie's name")
      }),
    ),
  }),
  ({ value, sound, report }) => {
    if (sound && setFields(value, sourceForms).length !== 1) report(`takes exactly one of ${sourceForms.join(', ')}`)
  },
)
export type KeySource = z.output<typeof keySource>

const keySources = checked(
  z
    .array(keySource)
    .min(1, 'at least one is required')
    .max(8)
    .default([{ header: 'x-api-key' }]),
  ({ value, report }) => {
    for (const index of findRepeated(value.map((each) => JSON.stringify(each)))) report('is there twice', [index])
  },
)

const clientAuthenticationSpec = checked(
  message({
    selector: matchLabelsSelector.optional(),
    targetRefs: policyTargetFields.targetRefs,
    /** A key that each client has. */
    apiKeys: message({
      /** Of the type `clientSecretTypes.apiKeys`, in the namespace of this object. */
      secretName,
      /** The first of them in which there is something counts. */
      from: keySources,
      /** Whether the key goes on to who is called; absent = it is taken out. */
      forward: z.boolean().default(false),
    }).optional(),
    /** A user and a password, in the header Authorization (RFC 7617), which goes on. */
    basic: message({
      /** Of the type `clientSecretTypes.users`, in the namespace of this object. */
      secretName,
    }).optional(),
    /** In which the client's name goes on. */
    clientHeader: clientHeader.default('x-consumer'),
    /** How many wrong keys or passwords of an address a proxy's thread looks at before it turns others away; 0 = all. */
    wrongPerMinute: z.int().min(0).max(10_000).default(10),
  }),
  ({ value, sound, report }) => {
    if (!isOneTarget(value)) report('takes one of selector, targetRefs')
    if (!sound) return
    const { apiKeys, clientHeader: name } = value
    const index = apiKeys?.from.findIndex(({ header }) => header?.toLowerCase() === name.toLowerCase()) ?? -1
    if (index !== -1) report("is clientHeader, which holds the client's name", ['apiKeys', 'from', index, 'header'])
  },
)
export type ClientAuthenticationSpec = z.output<typeof clientAuthenticationSpec>

/** Which clients are let in by a key or a password of theirs: a kind of Atoll's own (docs/api-keys.md). */
export const clientAuthentication: KindDefinition<ClientAuthenticationSpec> = {
  group: 'policy.atoll.dev',
  versions: ['v1alpha1'],
  kind: 'ClientAuthentication',
  plural: 'clientauthentications',
  addsUp: true,
  schema: clientAuthenticationSpec,
  /** Without either way to get in. */
  closed: (spec) => toClosedTarget(spec),
  check({ spec }, report) {
    if (setFields(spec, ['apiKeys', 'basic']).length !== 1) report(['spec'], 'takes exactly one of apiKeys, basic')
    warnOfTarget(spec, report)
  },
}
