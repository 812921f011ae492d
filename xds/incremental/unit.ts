import type { MeshView } from '#mesh/view.ts'
import type { EncodedResource } from '#xds/resource-set.ts'
import type { TypeUrl } from '#xds/type-url.ts'

export interface UnitResource {
  readonly type: TypeUrl
  readonly resource: EncodedResource
}

/** What was wrong with the user's objects and what was left out because of it; the rest was compiled. */
export interface CompileProblem {
  /** The object that it is about: "<kind>/<namespace>/<name>". */
  readonly object: string
  readonly message: string
}

/** Thrown by a unit that one of the user's objects keeps from being compiled at all. */
export class BlockedByObject extends Error {
  readonly problem: CompileProblem

  constructor(problem: CompileProblem) {
    super(problem.message)
    this.problem = problem
  }
}

/** Changes what a set holds by what its units give. */
export interface ResourcePatcher {
  /** What is in the set beside it. */
  readonly added: readonly UnitResource[]
  /** The resource as it is to be; undefined = left out. */
  patch(resource: UnitResource): UnitResource | undefined
}

export interface UnitOutput {
  readonly resources?: readonly UnitResource[]
  /** What belongs to every set that this unit belongs to. */
  readonly includes?: readonly Unit[]
  /**
   * What those who receive a set that this unit belongs to are given beside it, each for the place where they are. There are many places:
   * what is the same at all of them is worked out before. It reads nothing of the view any more.
   */
  readonly byPlace?: (place: string) => readonly UnitResource[]
  /** The root of another set that whoever receives this unit's set receives as well. */
  readonly sharedRoot?: Unit
  /** Where this unit's receiver is, for `byPlace` of that other set's units. Absent = it is given nothing of it. */
  readonly place?: string
  /** For the set whose root this unit is. */
  readonly patcher?: ResourcePatcher
  readonly problems?: readonly CompileProblem[]
}

/**
 * The smallest thing that is compiled again as a whole: a function of the view that is the same for equal keys. What
 * tells two units apart has to be in the key, and all else has to be read from the view that `compile` is given: its reads decide
 * when it runs again. Names of resources are unique among the units of a set. `includes` never form a cycle.
 */
export interface Unit {
  readonly key: string
  compile(view: MeshView): UnitOutput
}
