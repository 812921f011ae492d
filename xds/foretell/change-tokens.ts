import { objectKeyOf } from '#mesh/config-object.ts'
import { isEqualData } from '#mesh/merge/equal-data.ts'
import {
  findRequestAuthentications,
  selectRequestAuthentications,
} from '#mesh/security/select-request-authentications.ts'
import { compileTokenCheck } from '#xds/compile/compile-token-check.ts'
import type { TokenPlace, TokenRule } from '#xds/model/token-check.ts'
import { toPlace, type CalledProxy } from './called-proxy.ts'
import type { ProposedMesh } from './proposal.ts'

/** What becomes of tokens once RequestAuthentications have changed. */
export interface TokenChange {
  /** Whether anybody looks at tokens then: else no claim counts, and none is refused. */
  readonly verifies: boolean
  /** Whether what passes now passes then. */
  readonly keeps: boolean
  readonly objects: readonly string[]
}

/** Undefined: they change nothing for this proxy. */
export const changeTokens = (mesh: ProposedMesh, proxy: CalledProxy): TokenChange | undefined => {
  const select = (which: 'before' | 'after') => {
    const view = mesh.view(proxy.cluster, which)
    const key = selectRequestAuthentications(view, proxy.namespace, toPlace(proxy))
    return { names: findRequestAuthentications(view, key).map(objectKeyOf), ...compileTokenCheck(view, key, () => {}) }
  }
  const [now, then] = [select('before'), select('after')]
  if (![...now.names, ...then.names].some((name) => mesh.changed.has(name))) return undefined
  const ofCluster = proxy.policies.tokens.filter((name) => !now.names.some((each) => each === name))
  const objects = [...new Set([...then.names, ...ofCluster])]
  const hadNone = proxy.policies.tokens.length === 0
  return { verifies: objects.length > 0, keeps: !hadNone && keepsAll(now.rules, then.rules), objects }
}

/** Those that are new look where the others do: what was refused there before is not, perhaps, and nothing else is. */
const keepsAll = (now: readonly TokenRule[], then: readonly TokenRule[]): boolean => {
  const isIn = (rule: TokenRule, rules: readonly TokenRule[]) => rules.some((each) => isEqualData(each, rule))
  const places = now.flatMap((rule) => rule.places)
  const isLookedAt = (place: TokenPlace) => places.some((each) => isEqualData(each, place))
  return now.every((rule) => isIn(rule, then)) && then.every((rule) => rule.places.every(isLookedAt))
}
