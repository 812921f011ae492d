import type { Decider } from '#xds/explain/served.ts'
import { toDecider } from '#xds/explain/tell-policy.ts'
import { judgeAccess, type AccessJudge, type Verdict } from '#xds/judge/judge-access.ts'
import type { JudgedCall } from '#xds/judge/judged-call.ts'
import type { CalledProxy } from './called-proxy.ts'
import { changeClients, type ClientChange } from './change-clients.ts'
import { changePeers, type PeerChange } from './change-peers.ts'
import { changeRules, type RuleChange } from './change-rules.ts'
import { changeTokens, type TokenChange } from './change-tokens.ts'
import { chooseEntrances, findEntrances, type Entrance } from './find-entrances.ts'
import { learnFromRecord } from './learn-from-record.ts'
import type { ProposedMesh } from './proposal.ts'
import { readRecord, readTold, type RecordedCall, type Told } from './read-record.ts'

/** What becomes of a call that was seen. */
export interface Effect {
  readonly before: 'allowed' | 'denied'
  readonly after: Verdict['outcome']
  /** Who decides then. */
  readonly by: readonly Decider[]
  /** Of what is not known: what would have to be. */
  readonly missing: readonly string[]
  /** The port that was called, where that is known. */
  readonly port?: number
}

interface Changes {
  readonly peers: PeerChange | undefined
  readonly clients: ClientChange | undefined
  readonly tokens: TokenChange | undefined
  readonly rules: RuleChange | undefined
}

/** What proposed policies would make of calls to a proxy. Undefined: they change nothing for it. */
export const foretellEffect = (
  mesh: ProposedMesh,
  proxy: CalledProxy,
): ((record: RecordedCall) => Effect) | undefined => {
  const changes: Changes = {
    peers: changePeers(mesh, proxy),
    clients: changeClients(mesh, proxy),
    tokens: changeTokens(mesh, proxy),
    rules: changeRules(mesh, proxy),
  }
  if (Object.values(changes).every((each) => each === undefined)) return undefined
  const entrances = findEntrances(proxy.served, proxy.role)
  const { trustDomain } = mesh.settings
  return (record) => {
    const possible = chooseEntrances(entrances, record, proxy.role)
    const told = readTold(record)
    const effects = possible.map((entrance) => {
      const call = readRecord(record, { trustDomain, role: proxy.role }, entrance)
      return foretellAt({ changes, proxy, entrance, told, record }, call)
    })
    const [port, ...others] = new Set(possible.map((entrance) => entrance.port))
    return { ...(merge(effects) ?? toUnplaced(told)), ...(port !== undefined && others.length === 0 && { port }) }
  }
}

/** Where it came in is not known: what is said is what all of the ways have in common. */
const merge = ([first, ...others]: readonly Effect[]): Effect | undefined => {
  if (!first || others.every(({ after }) => after === first.after)) return first
  return { before: first.before, after: 'not-known', by: [], missing: ['port'] }
}

const toUnplaced = (told: Told): Effect => ({
  before: isRefused(told) ? 'denied' : 'allowed',
  after: 'not-known',
  by: [],
  missing: ['where it came in: its proxy has no such port any more'],
})

const isRefused = ({ kind }: Told): boolean => kind !== 'passed' && kind !== 'not-told'

interface Seen {
  readonly changes: Changes
  readonly proxy: CalledProxy
  readonly entrance: Entrance
  readonly told: Told
  readonly record: RecordedCall
}

const foretellAt = (seen: Seen, read: JudgedCall): Effect => {
  const { changes, proxy, entrance, told, record } = seen
  const { guards } = entrance
  const { rules } = changes
  // Records of other revisions may tell of other rules.
  const isOfNow = record.revision === proxy.revision
  const now = withClaims(read, (guards.tokens?.rules.length ?? 0) > 0)
  const learned = isOfNow ? learnFromRecord(guards.judges, now, told, rules?.isKept ?? (() => true)) : undefined
  const judgedNow = judgeAccess(withoutAsking(guards.judges), { ...now, learned })
  const before =
    isRefused(told) && told.kind !== 'denied'
      ? 'denied'
      : judgedNow.outcome === 'not-known'
        ? told.kind === 'denied'
          ? 'denied'
          : 'allowed'
        : judgedNow.outcome
  const answer = (after: Effect['after'], reason: Partial<Pick<Effect, 'by' | 'missing'>> = {}): Effect => ({
    before,
    after,
    by: [],
    missing: [],
    ...reason,
  })

  const coming = changes.peers?.(read.port, record.connection_security_policy) ?? { kind: 'as-before' }
  if (coming.kind === 'refused') return answer('denied', { by: coming.by })
  const open: string[] = coming.kind === 'not-known' ? [coming.missing] : []

  const isRequest = read.request !== undefined
  if (isRequest && changes.clients) {
    if (changes.clients.objects.length > 0) open.push(toKeyQuestion(changes.clients))
  } else if (told.kind === 'client') return answer('denied')

  if (isRequest && changes.tokens?.verifies) {
    if (told.kind === 'token' || !changes.tokens.keeps)
      open.push(told.kind === 'token' ? 'what its token says' : toTokenQuestion(changes.tokens))
  } else if (told.kind === 'token' && !changes.tokens) return answer('denied')

  const verifiesThen = changes.tokens?.verifies ?? (guards.tokens?.rules.length ?? 0) > 0
  const then: JudgedCall = {
    ...withClaims(read, verifiesThen),
    ...toPeerThen(coming.kind),
    learned: learned && ((rule) => ((rules?.isKept(rule) ?? true) ? learned(rule) : undefined)),
  }
  const judgesThen = rules?.judges(guards.judges, isRequest ? 'requests' : 'connections') ?? guards.judges
  // What a provider has said it says again of the same call, if it is asked as it was.
  const isAnswered = (rules?.asksAsBefore ?? true) && coming.kind === 'as-before'
  if (isAnswered && told.kind === 'provider') return answer('denied')
  const judged = judgeAccess(isAnswered && told.kind === 'passed' ? withoutAsking(judgesThen) : judgesThen, then)
  if (judged.outcome === 'denied') return answer('denied', { by: toDeciders(judged, rules, proxy) })
  const missing = [...new Set([...open, ...(judged.missing ?? [])])]
  if (missing.length > 0) return answer('not-known', { missing })
  return answer('allowed', { by: toDeciders(judged, rules, proxy) })
}

/** Where nobody verifies tokens no claim counts; else what they say is in no record. */
const withClaims = (call: JudgedCall, verifies: boolean): JudgedCall =>
  call.request ? { ...call, request: { ...call.request, claims: verifies ? undefined : {} } } : call

const toPeerThen = (kind: ReturnType<PeerChange>['kind']): Partial<Pick<JudgedCall, 'peer'>> => {
  if (kind === 'without-name') return { peer: 'nobody' }
  return kind === 'perhaps-with-name' ? { peer: undefined } : {}
}

const withoutAsking = (judges: readonly AccessJudge[]): readonly AccessJudge[] =>
  judges.map(({ asking: _asking, ...judge }) => judge)

const toKeyQuestion = ({ objects }: ClientChange): string => `whether it brings what ${objects.join(', ')} asks for`

const toTokenQuestion = ({ objects }: TokenChange): string =>
  `whether it brings a token, and one that is right by ${objects.join(', ')}`

const toDeciders = (
  { outcome, rule }: Verdict,
  rules: RuleChange | undefined,
  { policies }: CalledProxy,
): readonly Decider[] => {
  if (rule !== undefined) return toDecider(rule).decidedBy
  if (outcome !== 'denied') return []
  const present = policies.authorizations.filter(({ action, dryRun }) => action === 'ALLOW' && !dryRun)
  return rules?.allowing ?? present.map(({ object }) => ({ object, path: 'rules' }))
}
