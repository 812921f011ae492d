import { distinctData } from '#mesh/merge/distinct-data.ts'
import { getOrAdd } from '#mesh/merge/get-or-add.ts'
import type { MeshView, ViewKey } from '#mesh/view.ts'
import type { ResourceSet } from '#xds/resource-set.ts'
import { toErrorMessage } from '#mesh/error-message.ts'
import { RecordingView } from './recording-view.ts'
import { SetContents } from './set-contents.ts'
import { BlockedByObject, type CompileProblem, type Unit, type UnitOutput, type UnitResource } from './unit.ts'

/** A problem together with the unit that met it. */
export interface UnitProblem extends CompileProblem {
  readonly unit: string
}

interface Node {
  readonly unit: Unit
  output: UnitOutput
  includes: readonly Node[]
  reads: ReadonlySet<ViewKey>
  /** What `compile` threw, if it did when it last ran: `output` is then older than the view. */
  failure: CompileProblem | undefined
  /** The sets that it belongs to, with the number of includes that lead to it. */
  readonly holders: Map<SetContents<Node>, number>
  /** What it gives by place, for the places where somebody is. */
  readonly placed: Map<string, Placed>
}

interface Placed {
  readonly unit: string
  /** undefined = it has given nothing there yet. */
  resources: readonly UnitResource[] | undefined
  /** What it threw there, if it did when it last gave: `resources` are then older than its output. */
  failure: CompileProblem | undefined
  readonly parts: Set<SetContents<Node>>
}

/**
 * Keeps the output of units, each compiled once for all the sets that it belongs to, and compiles again those that read what
 * has changed. A unit that throws keeps its last output, so that one fault does not take the rest down.
 */
export class UnitGraph {
  readonly #view: RecordingView
  readonly #nodes = new Map<string, Node>()
  readonly #readers = new Map<ViewKey, Set<Node>>()
  readonly #sets = new Map<ResourceSet, SetContents<Node>>()
  readonly #changed = new Set<SetContents<Node>>()
  readonly #troubled = new Set<Node>()
  /** Those with a failure. */
  readonly #failedPlaced = new Set<Placed>()

  constructor(view: MeshView) {
    this.#view = new RecordingView(view)
  }

  /** Fills a set with a unit and all that it includes. */
  fill(set: ResourceSet, root: Unit): void {
    const node = this.#nodeOf(root)
    const contents = new SetContents<Node>(set, node)
    this.#sets.set(set, contents)
    contents.patchWith(node.output.patcher)
    this.#hold(node, contents)
    this.#flush()
  }

  /** Fills a set with what the units of another set give for one place: until it is dropped, and before that one is. */
  fillPart(part: ResourceSet, of: ResourceSet, place: string): void {
    const whole = this.#sets.get(of)
    if (!whole) return
    const contents = new SetContents<Node>(part, undefined)
    whole.parts.set(place, contents)
    for (const node of whole.placing) this.#holdPlaced(node, place, contents)
    this.#changed.add(contents)
    this.#flush()
  }

  dropPart(of: ResourceSet, place: string): void {
    const whole = this.#sets.get(of)
    const contents = whole?.parts.get(place)
    if (!whole || !contents) return
    for (const node of whole.placing) this.#releasePlaced(node, place, contents)
    whole.parts.delete(place)
    this.#changed.delete(contents)
  }

  /** Stops keeping a set up to date; units that are in no other set are forgotten. */
  drop(set: ResourceSet, root: Unit): void {
    const contents = this.#sets.get(set)
    const node = this.#nodes.get(root.key)
    if (!contents || !node) return
    this.#release(node, contents)
    this.#sets.delete(set)
    this.#changed.delete(contents)
  }

  /** What a unit of some set last gave. */
  outputOf(unit: Unit): UnitOutput | undefined {
    return this.#nodes.get(unit.key)?.output
  }

  /** What a unit of some set has thrown ever since it is in one: what it would give is not known. Undefined = it is known. */
  blockedBy(unit: Unit): CompileProblem | undefined {
    const node = this.#nodes.get(unit.key)
    return node?.output === nothingYet ? node.failure : undefined
  }

  /** What a unit has thrown for the place of this part ever since somebody is there. */
  partBlockedBy(part: ResourceSet): CompileProblem | undefined {
    for (const { resources, failure, parts } of this.#failedPlaced)
      if (!resources && [...parts].some(({ set }) => set === part)) return failure
    return undefined
  }

  /** Compiles again what read a touched key. Returns the sets that changed. */
  update(touched: Iterable<ViewKey>): ResourceSet[] {
    const stale = new Set<Node>()
    for (const key of touched) for (const node of this.#readers.get(key) ?? []) stale.add(node)
    for (const node of stale) if (node.holders.size > 0) this.#recompile(node)
    return this.#flush()
  }

  problems(): UnitProblem[] {
    const problems: UnitProblem[] = []
    for (const { unit, output, failure } of this.#troubled) {
      if (failure) problems.push({ unit: unit.key, ...failure })
      for (const problem of output.problems ?? []) problems.push({ unit: unit.key, ...problem })
    }
    const placed = [...this.#failedPlaced].flatMap(({ unit, failure }) => (failure ? { unit, ...failure } : []))
    return [...problems, ...distinctData(placed)]
  }

  #nodeOf(unit: Unit): Node {
    const known = this.#nodes.get(unit.key)
    if (known) return known
    const node: Node = {
      unit,
      output: nothingYet,
      includes: [],
      reads: new Set(),
      failure: undefined,
      holders: new Map(),
      placed: new Map(),
    }
    this.#nodes.set(unit.key, node)
    this.#compile(node)
    node.includes = this.#includesOf(node)
    return node
  }

  #includesOf(node: Node): readonly Node[] {
    return [...new Set(node.output.includes?.map((unit) => this.#nodeOf(unit)))]
  }

  #recompile(node: Node): void {
    const before = node.output
    this.#compile(node)
    if (node.output === before) return

    for (const [place, placed] of node.placed) {
      const { resources = [] } = placed
      this.#giveAt(node, place, placed)
      this.#replace(node, placed.parts, resources, placed.resources ?? [])
    }
    for (const contents of node.holders.keys()) {
      if (contents.root === node) contents.patchWith(node.output.patcher)
      this.#place(node, contents)
    }
    this.#replace(node, node.holders.keys(), before.resources ?? [], node.output.resources ?? [])

    const included = node.includes
    node.includes = this.#includesOf(node)
    const stays = new Set(node.includes)
    const stayed = new Set(included)
    // What comes is held before what goes is released: what both of them include is not compiled twice.
    for (const contents of node.holders.keys()) {
      for (const child of node.includes) if (!stayed.has(child)) this.#hold(child, contents)
      for (const child of included) if (!stays.has(child)) this.#release(child, contents)
    }
  }

  #compile(node: Node): void {
    const reads = this.#view.record()
    try {
      node.output = node.unit.compile(this.#view)
      node.failure = undefined
      this.#setReads(node, reads)
    } catch (error) {
      node.failure = toFailure(error)
      this.#setReads(node, new Set([...node.reads, ...reads]))
    }
    if (node.failure !== undefined || node.output.problems?.length) this.#troubled.add(node)
    else this.#troubled.delete(node)
  }

  #setReads(node: Node, reads: ReadonlySet<ViewKey>): void {
    for (const key of reads) {
      if (node.reads.has(key)) continue
      getOrAdd(this.#readers, key, () => new Set<Node>()).add(node)
    }
    for (const key of node.reads) {
      if (reads.has(key)) continue
      const readers = this.#readers.get(key)
      readers?.delete(node)
      if (readers?.size === 0) this.#readers.delete(key)
    }
    node.reads = reads
  }

  #hold(node: Node, contents: SetContents<Node>): void {
    const count = node.holders.get(contents) ?? 0
    node.holders.set(contents, count + 1)
    if (count > 0) return
    this.#changed.add(contents)
    for (const resource of node.output.resources ?? []) contents.put(node, resource)
    for (const child of node.includes) this.#hold(child, contents)
    this.#place(node, contents)
  }

  #release(node: Node, contents: SetContents<Node>): void {
    const count = node.holders.get(contents) ?? 0
    if (count > 1) {
      node.holders.set(contents, count - 1)
      return
    }
    node.holders.delete(contents)
    this.#changed.add(contents)
    for (const resource of node.output.resources ?? []) contents.remove(node, resource)
    for (const child of node.includes) this.#release(child, contents)
    contents.placing.delete(node)
    for (const [place, part] of contents.parts) this.#releasePlaced(node, place, part)
    if (node.holders.size === 0) this.#forget(node)
  }

  #place(node: Node, contents: SetContents<Node>): void {
    if (node.output.byPlace) {
      contents.placing.add(node)
      for (const [place, part] of contents.parts) this.#holdPlaced(node, place, part)
    } else if (contents.placing.delete(node)) {
      for (const [place, part] of contents.parts) this.#releasePlaced(node, place, part)
    }
  }

  #holdPlaced(node: Node, place: string, part: SetContents<Node>): void {
    const placed = getOrAdd(node.placed, place, () => {
      const fresh: Placed = { unit: node.unit.key, resources: undefined, failure: undefined, parts: new Set() }
      this.#giveAt(node, place, fresh)
      return fresh
    })
    if (placed.parts.has(part)) return
    placed.parts.add(part)
    this.#replace(node, [part], [], placed.resources ?? [])
  }

  #releasePlaced(node: Node, place: string, part: SetContents<Node>): void {
    const placed = node.placed.get(place)
    if (!placed?.parts.delete(part)) return
    this.#replace(node, [part], placed.resources ?? [], [])
    if (placed.parts.size > 0) return
    node.placed.delete(place)
    this.#failedPlaced.delete(placed)
  }

  /** What throws keeps what it gave there before. */
  #giveAt(node: Node, place: string, placed: Placed): void {
    try {
      placed.resources = node.output.byPlace?.(place) ?? []
      placed.failure = undefined
      this.#failedPlaced.delete(placed)
    } catch (error) {
      placed.failure = toFailure(error)
      this.#failedPlaced.add(placed)
    }
  }

  #replace(
    node: Node,
    sets: Iterable<SetContents<Node>>,
    before: readonly UnitResource[],
    after: readonly UnitResource[],
  ): void {
    const gone = before.filter((old) => !after.some((resource) => isSameResource(old, resource)))
    for (const contents of sets) {
      this.#changed.add(contents)
      for (const resource of after) contents.put(node, resource)
      for (const resource of gone) contents.remove(node, resource)
    }
  }

  #forget(node: Node): void {
    this.#setReads(node, new Set())
    this.#troubled.delete(node)
    this.#nodes.delete(node.unit.key)
  }

  #flush(): ResourceSet[] {
    const changed = [...this.#changed].filter((contents) => contents.flush()).map(({ set }) => set)
    this.#changed.clear()
    return changed
  }
}

/** The output of what was never compiled. */
const nothingYet: UnitOutput = {}

const isSameResource = (one: UnitResource, other: UnitResource): boolean =>
  one.type === other.type && one.resource.name === other.resource.name

const toFailure = (error: unknown): CompileProblem =>
  error instanceof BlockedByObject ? error.problem : { object: '', message: toErrorMessage(error) }
