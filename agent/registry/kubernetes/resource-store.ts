import { z } from 'zod'
import { isEqualData } from '#mesh/merge/equal-data.ts'
import { setOrDelete } from '#mesh/merge/set-or-delete.ts'
import type { Problem } from '#mesh/problem.ts'

/** What an object of the API server says. */
export interface ObjectReading<T> {
  /** null = it does not count; undefined = it can't be understood, and what it said before goes on. */
  readonly value: T | null | undefined
  /** Of one that can't be understood: what it says where it was never understood. Absent = nothing. */
  readonly instead?: T
  readonly problems: readonly Problem[]
}

/** Called for every object that says something else now; null = it is gone. `before` is undefined for a new one. */
export type ObjectListener<T> = (key: string, value: T | null, before: T | undefined) => void

const envelope = z.object({
  metadata: z.object({ name: z.string(), namespace: z.string().optional() }),
})

/** What is used of the objects of one resource, by "<namespace>/<name>", or "<name>" where there are no namespaces. */
export class ResourceStore<T extends object> {
  readonly #read: (object: unknown) => ObjectReading<T>
  readonly #onChange: ObjectListener<T>
  readonly #onProblems: () => void
  readonly #objects = new Map<string, T>()
  /** Those of which what is said instead counts. */
  readonly #instead = new Set<string>()
  readonly #problems = new Map<string, readonly Problem[]>()

  /** `onProblems` is called when there are other problems than before. */
  constructor(
    read: (object: unknown) => ObjectReading<T>,
    onChange: ObjectListener<T>,
    onProblems: () => void = () => {},
  ) {
    this.#read = read
    this.#onChange = onChange
    this.#onProblems = onProblems
  }

  get objects(): ReadonlyMap<string, T> {
    return this.#objects
  }

  /** In no order. */
  problems(): readonly Problem[] {
    return [...this.#problems.values()].flat()
  }

  /** Takes what an object says now; its key. Throws ZodError for what is no object of an API server. */
  set(object: unknown): string {
    const key = toKey(object)
    const { value, instead, problems } = this.#read(object)
    this.#putProblems(key, problems)
    if (value !== undefined) {
      this.#instead.delete(key)
      this.#put(key, value)
    } else if (instead && (this.#instead.has(key) || !this.#objects.has(key))) {
      this.#instead.add(key)
      this.#put(key, instead)
    }
    return key
  }

  delete(object: unknown): void {
    this.#forget(toKey(object))
  }

  /** Only these are there. */
  retain(keys: ReadonlySet<string>): void {
    for (const key of new Set([...this.#objects.keys(), ...this.#problems.keys()]))
      if (!keys.has(key)) this.#forget(key)
  }

  #forget(key: string): void {
    this.#putProblems(key, [])
    this.#instead.delete(key)
    this.#put(key, null)
  }

  #putProblems(key: string, problems: readonly Problem[]): void {
    if (isEqualData(this.#problems.get(key) ?? [], problems)) return
    setOrDelete(this.#problems, key, problems.length > 0 ? problems : null)
    this.#onProblems()
  }

  #put(key: string, value: T | null): void {
    const before = this.#objects.get(key)
    if (isEqualData(before ?? null, value)) return
    setOrDelete(this.#objects, key, value)
    this.#onChange(key, value, before)
  }
}

const toKey = (object: unknown): string => {
  const { name, namespace } = envelope.parse(object).metadata
  return namespace === undefined ? name : `${namespace}/${name}`
}
