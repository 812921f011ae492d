import { z } from 'zod'
import type { KindDefinition } from './kind-definition.ts'
import { toMilliseconds, positiveDuration } from './schema/duration.ts'
import { findRepeated } from './schema/find-repeated.ts'
import { isHeaderName } from './schema/header-operations.ts'
import { isDnsLabel } from './schema/host-names.ts'
import { matchLabelsSelector } from './schema/labels.ts'
import { checked, choice, message, optionalText, setFields } from './schema/message.ts'
import { isOneTarget, policyTargetFields, warnOfTarget } from './schema/policy-target.ts'
import { stringMatch } from './schema/string-match.ts'
import { isPattern } from './schema/value-pattern.ts'

/** Of one object. Each costs every request to its workloads a look. */
export const maxLimits = 20

const maxPatterns = 32
const maxPatternLength = 253

/** `shop.example.com`, `*.example.com`, `/api/*`, `*`: as in an AuthorizationPolicy. */
const pattern = checked(z.string().min(1, 'must not be empty').max(maxPatternLength), ({ value, report }) => {
  if (!isPattern(value)) report('may have one "*", at its beginning or its end')
})
const patterns = z.array(pattern).max(maxPatterns).default([])

const headerMatches = checked(z.record(z.string(), stringMatch).default({}), ({ value, report }) => {
  for (const name of Object.keys(value)) if (!isHeaderName(name)) report('is not a header name', [name])
})

const match = message({ methods: patterns, hosts: patterns, paths: patterns, headers: headerMatches })

const claimName = checked(z.string(), ({ value, report }) => {
  if (value.split('.').some((part) => part === '')) report('names a claim, such as sub or realm.org')
})

const keyForms = ['peer', 'header', 'request', 'claim'] as const

/** What counts are kept apart by. */
const keyPart = checked(
  message({
    /** `PRINCIPAL`: the SPIFFE ID that the caller has proved. `ADDRESS`: where the request comes from. */
    peer: choice(['PRINCIPAL', 'ADDRESS']).optional(),
    header: optionalText(
      checked(z.string(), ({ value, report }) => {
        if (!isHeaderName(value)) report('is not a header name')
      }),
    ),
    request: choice(['METHOD', 'PATH']).optional(),
    /** Of a verified token, a text: "sub", or "realm.org" of a claim that holds others. */
    claim: optionalText(claimName),
  }),
  ({ value, sound, report }) => {
    if (sound && setFields(value, keyForms).length !== 1) report(`takes exactly one of ${keyForms.join(', ')}`)
  },
)
export type KeyPart = z.output<typeof keyPart>

/** What tells requests apart. A host does not: whoever writes it in other letters would have another count. */
const keyParts = checked(z.array(keyPart).max(4).default([]), ({ value, report }) => {
  for (const index of findRepeated(value.map((part) => JSON.stringify(part)))) report('is there twice', [index])
})

const minPeriodMs = 100
/** What is counted over a network is not told more often. */
const minMeshPeriodMs = 1000
const maxPeriodMs = 24 * 60 * 60 * 1000

const period = checked(positiveDuration, ({ value, sound, report }) => {
  if (!sound) return
  const milliseconds = toMilliseconds(value)
  if (milliseconds < minPeriodMs || milliseconds > maxPeriodMs) report('must be from 100ms to 24h')
})

const count = z.int().min(1).max(4_000_000_000)

const limit = checked(
  message({
    name: checked(z.string(), ({ value, report }) => {
      if (!isDnsLabel(value)) report('is not a name: at most 63 of a-z, 0-9 and "-"')
    }),
    /** Which requests count; absent = all. All that is set must match. */
    match: match.optional(),
    by: keyParts,
    /** Who counts together: each proxy by itself, or all proxies of the mesh; absent = PROXY. */
    scope: choice(['PROXY', 'MESH']).optional(),
    requests: count,
    /** It refills evenly in this time, … */
    per: period.optional(),
    /** … or it is a quota: as many in each day of UTC. */
    calendar: choice(['DAY']).optional(),
    /** How many may come at once after a time without any; absent = `requests`. */
    burst: count.optional(),
    /** Whether requests go through while a limit can't be held: its proxy refuses it or, with the scope MESH, it is not known how many others there were; absent = they do. */
    failOpen: z.boolean().optional(),
  }),
  ({ value, sound, report }) => {
    if (!sound) return
    const { scope, requests, per, calendar, burst } = value
    if (setFields(value, ['per', 'calendar']).length !== 1) report('takes exactly one of per, calendar')
    if (burst !== undefined && calendar !== undefined) report('is of limits with per', ['burst'])
    else if (burst !== undefined && burst < requests) report('must not be less than requests', ['burst'])
    if (scope === 'MESH') {
      if (per !== undefined && toMilliseconds(per) < minMeshPeriodMs)
        report('must be from 1s to 24h with scope MESH', ['per'])
      return
    }
    if (calendar !== undefined) report('is of limits with scope MESH', ['calendar'])
  },
)
export type RequestLimit = z.output<typeof limit>

const rateLimitSpec = checked(
  message({
    selector: matchLabelsSelector.optional(),
    targetRefs: policyTargetFields.targetRefs,
    limits: z.array(limit).min(1, 'at least one is required').max(maxLimits),
  }),
  ({ value, sound, report }) => {
    if (!isOneTarget(value)) report('takes one of selector, targetRefs')
    if (!sound) return
    for (const index of findRepeated(value.limits.map(({ name }) => name)))
      report('is the name of another limit, too', ['limits', index, 'name'])
  },
)
export type RateLimitSpec = z.output<typeof rateLimitSpec>

/** How many requests a workload takes: a kind of Atoll's own (docs/rate-limits.md). */
export const rateLimit: KindDefinition<RateLimitSpec> = {
  group: 'policy.atoll.dev',
  versions: ['v1alpha1'],
  kind: 'RateLimit',
  plural: 'ratelimits',
  addsUp: true,
  schema: rateLimitSpec,
  check({ spec }, report) {
    warnOfTarget(spec, report)
  },
}
