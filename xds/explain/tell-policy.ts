import { parseAccessRuleName, toAccessRuleObject } from '#mesh/security/access-rule-name.ts'
import type { ProxyPolicies } from '#mesh/security/proxy-policies.ts'
import { judgeAccess, type Judgement, type Verdict } from '#xds/judge/judge-access.ts'
import type { JudgedCall } from '#xds/judge/judged-call.ts'
import { settleClaims, withTokenHeaders, type Settled } from '#xds/judge/settle-claims.ts'
import type { Answer, Found, Limit, Step, Stop } from './explanation.ts'
import type { Guards } from './find-guards.ts'
import type { Decider } from './served.ts'

/** Who judges, and what becomes of those whom it turns away. */
export interface Judge {
  readonly proxy: string
  readonly guards: Guards
  /** Absent: the names of objects that its filters do not name are not known. */
  readonly policies?: ProxyPolicies | undefined
  /** What the client sees; of a request that is denied it is 403. */
  readonly answer: Answer
}

/** What policies say of a call that got as far as a proxy: who turns it away, or whether it goes on. */
export const tellPolicy = (judge: Judge, call: JudgedCall): Found<Limit | undefined> => {
  const { proxy, guards } = judge
  const settled = call.request && settleClaims(guards.tokens, call.request)
  const limit = toAccessLimit(guards, proxy)
  // What else is there may make another request of it.
  const isSure = guards.others.length === 0
  if (settled?.kind === 'refused' && isSure) return { steps: [], stop: toRefused(settled, judge) }
  const claims = settled?.kind === 'settled' ? settled.claims : undefined
  const request = call.request && { ...withTokenHeaders(guards.tokens, call.request), claims }
  const judgement = judgeAccess(guards.judges, request ? { ...call, request } : call)
  const shown = toShownVerdict(judgement, judge)
  const step: Step = {
    stage: 'policy',
    proxy,
    text: shown.text,
    details: [...toTokenText(settled, call), ...toMarks(judgement, judge), ...(limit ? [limit.text] : [])],
    decidedBy: shown.decidedBy,
    judgement,
  }
  const closed = judgement.rule === undefined ? undefined : closedFor(judgement.rule)
  // What lets nobody in does so whatever the others make of it.
  if (judgement.outcome === 'denied' && (isSure || closed !== undefined))
    return {
      steps: [step],
      stop: {
        code: 'denied-by-policy',
        text: shown.text,
        fix:
          closed === undefined
            ? 'Change the rule, or who calls, or what is asked for.'
            : `See why in the conditions of its ${closed.kind}: "atoll get ${closed.kind}", then with its name.`,
        answer: call.request ? 403 : judge.answer,
        decidedBy: shown.decidedBy,
      },
    }
  const open = settled?.kind === 'not-known' ? [settled.missing] : []
  return { steps: [step], value: limit ?? toOpenLimit(judgement, open, shown.text, proxy) }
}

const toOpenLimit = (
  { outcome, missing = [] }: Judgement,
  open: readonly string[],
  text: string,
  proxy: string,
): Limit | undefined => {
  if (outcome === 'not-known') return { code: 'access-not-known', text: `At ${proxy}: ${text}`, fix: toFix(missing) }
  if (open.length === 0) return undefined
  return {
    code: 'access-not-known',
    text: `${proxy} looks at its token: ${open.join(', ')} is not known`,
    fix: toFix(open),
  }
}

const toFix = (missing: readonly string[]): string =>
  `Say what is not known, where it can be said: --header, --claim, --source-ip, --method. Missing: ${missing.join(', ')}.`

const toShownVerdict = (
  verdict: Verdict & { readonly isAsked?: boolean },
  { guards, policies, proxy }: Judge,
): { readonly text: string; readonly decidedBy: readonly Decider[] } => {
  const { outcome, rule, missing = [] } = verdict
  if (verdict.isAsked === false)
    return {
      text: guards.others.length > 0 ? 'No policy is for it' : 'No policy is for it: whoever gets here is let in',
      decidedBy: [],
    }
  const { named, decidedBy } = toDecider(rule)
  switch (outcome) {
    case 'allowed':
      return rule === undefined
        ? { text: 'No rule denies it, and there is no ALLOW policy: it is let in', decidedBy }
        : { text: `Allowed by ${named}`, decidedBy }
    case 'denied': {
      if (rule !== undefined) {
        const closed = closedFor(rule)
        return {
          text: closed ? `Denied: its ${closed.kind} ${closed.why}, so nobody is let in` : `Denied by ${named}`,
          decidedBy,
        }
      }
      const allowing = (policies?.authorizations ?? []).filter(({ action, dryRun }) => action === 'ALLOW' && !dryRun)
      const of = allowing.length > 0 ? `: ${allowing.map(({ object }) => object).join(', ')}` : ` of ${proxy}`
      return {
        text: `Denied: no rule of the ALLOW policies matches it${of}`,
        decidedBy: allowing.map(({ object }) => ({ object, path: 'rules' })),
      }
    }
    case 'not-known':
      return {
        text: `What ${rule === undefined ? 'the rules say' : `${named} says`} depends on what is not known: ${missing.join(', ')}`,
        decidedBy,
      }
  }
}

/** The rules that stand where an object can not do what it says: they name no object, and let nobody in. */
const closedRules: Readonly<Record<string, { readonly kind: string; readonly why: string }>> = {
  'client-not-known': { kind: 'ClientAuthentication', why: 'can not tell clients apart' },
  'extension-not-run': { kind: 'ProxyExtension', why: 'can not be run' },
  'limit-not-held': { kind: 'RateLimit', why: 'can not be held' },
  'plugin-not-run': { kind: 'WasmPlugin', why: 'can not be run' },
}

const closedFor = (rule: string) => (Object.hasOwn(closedRules, rule) ? closedRules[rule] : undefined)

/** The object behind the name of a rule. */
export const toDecider = (
  rule: string | undefined,
): { readonly named: string; readonly decidedBy: readonly Decider[] } => {
  if (rule === undefined) return { named: '', decidedBy: [] }
  const parsed = parseAccessRuleName(rule)
  if (!parsed) return { named: `rule ${rule}`, decidedBy: [] }
  const decider = toAccessRuleObject(parsed)
  const whose = parsed.isOfCluster ? " of the cluster's" : ''
  return { named: `${decider.object} ${decider.path}${whose}`, decidedBy: [decider] }
}

const toTokenText = (settled: Settled | undefined, { request }: JudgedCall): readonly string[] => {
  if (settled?.kind === 'not-known') return [`its token: not known is ${settled.missing}`]
  if (settled?.kind === 'refused') return [`its token: ${settled.text}`]
  const isGiven = Object.keys(request?.claims ?? {}).length > 0
  return settled && !settled.isVerified && isGiven
    ? ['nobody verifies tokens there, as no RequestAuthentication is for it: no claim counts']
    : []
}

const toMarks = ({ audit, trial }: Judgement, judge: Judge): readonly string[] => {
  const toCertain = (missing: readonly string[] | undefined): string =>
    missing ? ` perhaps (not known: ${missing.join(', ')})` : ''
  return [
    ...(audit ? [`AUDIT: marked${toCertain(audit.missing)} by ${toDecider(audit.rule).named}`] : []),
    ...(trial ? [`dry run: ${toTrialText(trial, judge)}`] : []),
  ]
}

const toTrialText = (trial: Verdict, { policies }: Judge): string => {
  const allowing = (policies?.authorizations ?? []).filter(({ action, dryRun }) => action === 'ALLOW' && dryRun)
  const { named } = toDecider(trial.rule)
  switch (trial.outcome) {
    case 'denied':
      return trial.rule === undefined
        ? `it would be denied, as no rule matches it of ${allowing.map(({ object }) => object).join(', ') || 'the ALLOW policies'}`
        : `it would be denied by ${named}`
    case 'allowed':
      return trial.rule === undefined ? 'it would not be denied' : `it would be allowed by ${named}`
    case 'not-known':
      return `not known what it would be: ${(trial.missing ?? []).join(', ')}`
  }
}

const toRefused = (
  { status, text }: Extract<Settled, { readonly kind: 'refused' }>,
  { proxy, policies }: Judge,
): Stop => ({
  code: 'token-refused',
  text: `${proxy} refuses its token: ${text}`,
  fix: 'Bring a token of an issuer that is right there, or none.',
  answer: status,
  decidedBy: (policies?.tokens ?? []).map((object) => ({ object, path: 'jwtRules' })),
})

/** What is not known as long as these filters are not looked into; undefined = there are none. */
export const toAccessLimit = (
  { limits, others }: Pick<Guards, 'limits' | 'others'>,
  proxy: string,
): Limit | undefined => {
  if (others.length > 0)
    return {
      code: 'access-not-known',
      text: `${[...others, ...limits].join(', ')} of ${proxy} may turn it away, and is not looked into`,
      fix: 'Read what it says: "atoll proxy config" shows it as the proxy is served it.',
    }
  if (limits.length === 0) return undefined
  return {
    code: 'rate-not-known',
    text: `${limits.join(', ')} of ${proxy} turns away what is more than a RateLimit lets through`,
    fix: 'See the RateLimits that are for it.',
  }
}
