import type { Origin } from '../config-object.ts'
import { PRECEDENCE_ANNOTATION } from '../merge/precedence-annotation.ts'
import type { Problem } from '../problem.ts'
import { conditionTypes, MAX_CONDITION_MESSAGE, type Condition } from './condition.ts'

/** What was found out about one object in one cluster. */
export interface ObjectFindings {
  readonly origin: Origin
  /** With what it says by itself. An error means that it is not accepted. */
  readonly own: readonly Problem[]
  /** With what it names, and with other objects. Found only of an object that holds. */
  readonly related: readonly Problem[]
  /** What the compiler left out of it, and why. */
  readonly leftOut: readonly string[]
  /** Nothing that could use it selects it. */
  readonly unselected: readonly Problem[]
  /** The mesh and the cluster both have an object of this key: whose holds. */
  readonly contestedBy?: { readonly holder: Origin }
  /** What it says is what is in force where one of its kind is not accepted. */
  readonly isClosed: boolean
  /** It is not accepted, and what it said while it was goes on. */
  readonly earlierHolds: boolean
}

/** Of an object with which all is well. */
export const noFindings = (origin: Origin): ObjectFindings => ({
  origin,
  own: [],
  related: [],
  leftOut: [],
  unselected: [],
  isClosed: false,
  earlierHolds: false,
})

const shownProblems = 5

/** The conditions of an object, each type once, always in one order. The same findings give the same conditions. */
export const toConditions = (findings: ObjectFindings): readonly Condition[] => [
  toAccepted(findings),
  toEffective(findings),
  toConflicted(findings),
  toResolvedRefs(findings),
]

const toAccepted = ({ own }: ObjectFindings): Condition => {
  const type = conditionTypes.accepted
  const errors = own.filter(({ severity }) => severity === 'error')
  const [first] = errors
  if (first) return { type, status: 'False', reason: toCamelCase(first.code), message: toMessage(errors.map(toText)) }
  if (own.length === 0) return { type, status: 'True', reason: 'Accepted', message: '' }
  return { type, status: 'True', reason: 'AcceptedWithWarnings', message: toMessage(own.map(toText)) }
}

const toEffective = (findings: ObjectFindings): Condition => {
  const { origin, leftOut, unselected, contestedBy, isClosed, earlierHolds } = findings
  const no = (reason: string, ...messages: readonly string[]): Condition => ({
    type: conditionTypes.effective,
    status: 'False',
    reason,
    message: toMessage(messages),
  })
  if (!isAccepted(findings) && isClosed)
    return no('Closed', 'it is not accepted; until it is, the workloads that it is for are closed instead')
  if (!isAccepted(findings))
    return earlierHolds
      ? no('EarlierHolds', 'it is not accepted; what it said before goes on for as long as the agent runs')
      : no('NotAccepted', 'it is not accepted, and counts for nothing')
  if (contestedBy && contestedBy.holder !== origin)
    return origin === 'cluster'
      ? no('MeshObjectHolds', `the mesh's object of this key holds: its ${PRECEDENCE_ANNOTATION} is "override"`)
      : no(
          'ClusterObjectHolds',
          `the cluster's own object of this key holds; the annotation ${PRECEDENCE_ANNOTATION}: override puts the mesh's before it`,
        )
  if (unselected.length > 0) return no('NotSelected', ...unselected.map(toText))
  if (leftOut.length > 0) return no('PartlyLeftOut', ...leftOut)
  return { type: conditionTypes.effective, status: 'True', reason: 'Effective', message: '' }
}

const toConflicted = ({ origin, related, contestedBy }: ObjectFindings): Condition => {
  const conflicts = related.filter(({ code }) => code === 'conflict').map(toText)
  const rival = origin === 'cluster' ? 'the mesh' : 'the cluster itself'
  const sameKey = contestedBy
    ? [`${rival} has an object of this key too: ${contestedBy.holder === origin ? 'this one' : 'that one'} holds here`]
    : []
  const messages = [...sameKey, ...conflicts]
  const type = conditionTypes.conflicted
  if (messages.length === 0) return { type, status: 'False', reason: 'NoConflicts', message: '' }
  const reason = contestedBy ? 'SameKey' : 'SameClaim'
  return { type, status: 'True', reason, message: toMessage(messages) }
}

const toResolvedRefs = (findings: ObjectFindings): Condition => {
  const type = conditionTypes.resolvedRefs
  const { origin, related, contestedBy } = findings
  if (!isAccepted(findings) || (contestedBy && contestedBy.holder !== origin))
    return { type, status: 'Unknown', reason: 'NotEffective', message: 'only what holds is looked at' }
  const dangling = related.filter(({ code }) => code === 'dangling_reference').map(toText)
  if (dangling.length === 0) return { type, status: 'True', reason: 'ResolvedRefs', message: '' }
  return { type, status: 'False', reason: 'DanglingReference', message: toMessage(dangling) }
}

const isAccepted = ({ own }: ObjectFindings): boolean => own.every(({ severity }) => severity !== 'error')

/** "spec.http[0].timeout must be a duration": messages go on from the path. */
const toText = ({ path, message }: Problem): string => (path === '' ? message : `${path} ${message}`)

export const toMessage = (texts: readonly string[]): string => {
  const more = texts.length - shownProblems
  const shown = [...texts.slice(0, shownProblems), ...(more > 0 ? [`and ${more} more`] : [])].join('; ')
  return shown.length > MAX_CONDITION_MESSAGE ? `${shown.slice(0, MAX_CONDITION_MESSAGE - 1)}…` : shown
}

/** unknown_field → UnknownField */
export const toCamelCase = (code: string): string =>
  code
    .split('_')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('')
