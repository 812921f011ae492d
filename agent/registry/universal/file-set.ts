import { toObjectKey, type ConfigObject } from '#mesh/config-object.ts'
import { isEqualData } from '#mesh/merge/equal-data.ts'
import { parseDocuments } from '#mesh/parse-documents.ts'
import type { Problem } from '#mesh/problem.ts'
import type { RegistryProblem } from '#agent/registry/registry.ts'
import type { FileContent } from './directory-watcher.ts'

/** An object of the whole set; null = no file holds it any more. */
export interface ObjectChange {
  readonly key: string
  readonly value: ConfigObject | null
}

const documentOptions = { defaultNamespace: 'default', maxCharacters: 10 * 1024 * 1024, maxObjects: 10_000 }

/**
 * The objects of many files. A file that can't be understood goes on meaning what it last meant, and its problems are known. An object
 * that several files hold is the one of the first file by name.
 */
export class FileSet {
  readonly #objects = new Map<string, ReadonlyMap<string, ConfigObject>>()
  readonly #problems = new Map<string, readonly Problem[]>()
  /** Object key → the files that hold it. */
  readonly #holders = new Map<string, Set<string>>()

  /** Takes what files say now; the objects that are different by it. */
  update(files: ReadonlyMap<string, FileContent>): ObjectChange[] {
    const before = new Map<string, ConfigObject | null>()
    for (const [file, content] of files) this.#updateFile(file, content, before)
    const changes: ObjectChange[] = []
    for (const [key, value] of before) {
      const now = this.#find(key)
      if (!isEqualData(now, value)) changes.push({ key, value: now })
    }
    return changes
  }

  /** All objects. */
  all(): ObjectChange[] {
    return Array.from(this.#holders.keys(), (key) => ({ key, value: this.#find(key) }))
  }

  problems(): RegistryProblem[] {
    const problems: RegistryProblem[] = []
    for (const [source, found] of this.#problems) for (const problem of found) problems.push({ source, problem })
    for (const [key, holders] of this.#holders) if (holders.size > 1) problems.push(...this.#toDuplicates(key, holders))
    return problems.toSorted((left, right) => (left.source < right.source ? -1 : Number(left.source > right.source)))
  }

  #updateFile(file: string, content: FileContent, before: Map<string, ConfigObject | null>): void {
    const parsed = content.kind === 'text' ? parseDocuments(content.text, documentOptions) : undefined
    if (content.kind === 'unreadable') {
      this.#setProblems(file, [{ code: 'syntax', severity: 'error', path: '', message: content.reason }])
      return
    }
    if (parsed && !parsed.ok) {
      this.#setProblems(file, parsed.error)
      return
    }
    this.#setProblems(file, parsed?.value.warnings ?? [])
    const objects = new Map(parsed?.value.objects.map(({ object }) => [keyOf(object), object]))
    const gone = [...(this.#objects.get(file)?.keys() ?? [])].filter((key) => !objects.has(key))
    for (const key of [...gone, ...objects.keys()]) if (!before.has(key)) before.set(key, this.#find(key))
    for (const key of gone) this.#removeHolder(key, file)
    for (const key of objects.keys()) this.#addHolder(key, file)
    if (content.kind === 'gone') this.#objects.delete(file)
    else this.#objects.set(file, objects)
  }

  #setProblems(file: string, problems: readonly Problem[]): void {
    if (problems.length > 0) this.#problems.set(file, problems)
    else this.#problems.delete(file)
  }

  #addHolder(key: string, file: string): void {
    const holders = this.#holders.get(key) ?? new Set()
    this.#holders.set(key, holders.add(file))
  }

  #removeHolder(key: string, file: string): void {
    const holders = this.#holders.get(key)
    holders?.delete(file)
    if (holders?.size === 0) this.#holders.delete(key)
  }

  #find(key: string): ConfigObject | null {
    const [first] = [...(this.#holders.get(key) ?? [])].toSorted()
    return (first !== undefined && this.#objects.get(first)?.get(key)) || null
  }

  #toDuplicates(key: string, holders: ReadonlySet<string>): RegistryProblem[] {
    const [first = '', ...others] = [...holders].toSorted()
    const { kind = '', metadata } = this.#objects.get(first)?.get(key) ?? {}
    const object = { kind, namespace: metadata?.namespace ?? '', name: metadata?.name ?? '' }
    const message = `is in ${first} already: this one does not count`
    return others.map((source) => ({
      source,
      problem: { code: 'duplicate', severity: 'error', object, path: '', message },
    }))
  }
}

const keyOf = ({ kind, metadata }: ConfigObject): string => toObjectKey(kind, metadata.namespace, metadata.name)
