import { z } from 'zod'
import { objectKeyOf, type ConfigObject } from '#mesh/config-object.ts'
import { findKindOfGroup } from '#mesh/config/kind-table.ts'
import { parseObject } from '#mesh/config/parse-object.ts'
import { toClosedObject } from '#mesh/config/to-closed-object.ts'
import { readItems } from '#mesh/documents/read-items.ts'
import { splitDocuments } from '#mesh/documents/split-documents.ts'
import { isEqualData } from '#mesh/merge/equal-data.ts'
import { parseDocuments } from '#mesh/parse-documents.ts'
import type { Problem } from '#mesh/problem.ts'
import type { ObjectChange } from '#mesh/registry-records/registry-index.ts'
import { ok, type Result } from '#mesh/result.ts'
import type { RegistryProblem } from '#agent/registry/registry.ts'
import type { FileContent } from './directory-watcher.ts'

/** What each document of a file said, by its text. */
type Documents = ReadonlyMap<string, readonly ConfigObject[]>

interface FileReading {
  readonly objects: ReadonlyMap<string, ConfigObject>
  /** Empty when the file has to be read as one. */
  readonly documents: Documents
  readonly warnings: readonly Problem[]
  /** It was never understood: what is here keeps closed what it might have closed. */
  readonly isClosed?: true
}

const documentOptions = { defaultNamespace: 'default', maxCharacters: 10 * 1024 * 1024, maxObjects: 10_000 }

/**
 * The objects of many files. A file that can't be understood goes on meaning what it last meant, and its problems are known; of one that
 * never was, what is for security counts, as it is where it is right and else closed. An object
 * that several files hold is the one of the first file by name.
 */
export class FileSet {
  readonly #files = new Map<string, FileReading>()
  readonly #problems = new Map<string, readonly Problem[]>()
  /** Object key → the files that hold it. */
  readonly #holders = new Map<string, Set<string>>()

  /** Takes what files say now; the objects that are different by it. */
  update(files: ReadonlyMap<string, FileContent>): ObjectChange[] {
    const before = new Map<string, ConfigObject | null>()
    for (const [file, content] of files) this.#updateFile(file, content, before)
    const changes: ObjectChange[] = []
    for (const [key, value] of before) {
      const now = this.find(key)
      if (!isEqualData(now, value)) changes.push({ key, value: now })
    }
    return changes
  }

  /** All objects. */
  all(): ObjectChange[] {
    return Array.from(this.#holders.keys(), (key) => ({ key, value: this.find(key) }))
  }

  /** The object of this key that counts. */
  find(key: string): ConfigObject | null {
    const [first] = [...(this.#holders.get(key) ?? [])].toSorted()
    return (first !== undefined && this.#files.get(first)?.objects.get(key)) || null
  }

  problems(): RegistryProblem[] {
    const problems: RegistryProblem[] = []
    for (const [source, found] of this.#problems) for (const problem of found) problems.push({ source, problem })
    for (const [key, holders] of this.#holders) if (holders.size > 1) problems.push(...this.#toDuplicates(key, holders))
    return problems.toSorted((left, right) => (left.source < right.source ? -1 : Number(left.source > right.source)))
  }

  #updateFile(file: string, content: FileContent, before: Map<string, ConfigObject | null>): void {
    if (content.kind === 'unreadable') {
      this.#setProblems(file, [{ code: 'syntax', severity: 'error', path: '', message: content.reason }])
      return
    }
    const known = this.#files.get(file)
    const reading = content.kind === 'gone' ? ok(nothing) : readFile(content.text, known?.documents)
    if (reading.ok) {
      this.#setProblems(file, reading.value.warnings)
      this.#takeReading(file, reading.value, before)
      return
    }
    this.#setProblems(file, reading.error)
    if (content.kind === 'text' && (!known || known.isClosed)) this.#takeReading(file, readClosed(content.text), before)
  }

  #takeReading(file: string, reading: FileReading, before: Map<string, ConfigObject | null>): void {
    const { objects } = reading
    const known = this.#files.get(file)
    const gone = [...(known?.objects.keys() ?? [])].filter((key) => !objects.has(key))
    for (const key of [...gone, ...objects.keys()]) if (!before.has(key)) before.set(key, this.find(key))
    for (const key of gone) this.#removeHolder(key, file)
    for (const key of objects.keys()) this.#addHolder(key, file)
    if (reading === nothing) this.#files.delete(file)
    else this.#files.set(file, reading)
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

  #toDuplicates(key: string, holders: ReadonlySet<string>): RegistryProblem[] {
    const [first = '', ...others] = [...holders].toSorted()
    const { kind = '', metadata } = this.#files.get(first)?.objects.get(key) ?? {}
    const object = { kind, namespace: metadata?.namespace ?? '', name: metadata?.name ?? '' }
    const message = `is in ${first} already: this one does not count`
    return others.map((source) => ({
      source,
      problem: { code: 'duplicate', severity: 'error', object, path: '', message },
    }))
  }
}

const nothing: FileReading = { objects: new Map(), documents: new Map(), warnings: [] }

/** Reads only the documents that are not known. A text that is not all good is read as one, for problems that tell their place in it. */
const readFile = (text: string, known: Documents = new Map()): Result<FileReading, readonly Problem[]> => {
  const documents = readDocuments(text, known)
  const objects = [...(documents?.values() ?? [])].flat()
  const byKey = toMap(objects)
  const isPlain = byKey.size === objects.length && objects.length <= documentOptions.maxObjects
  if (documents && isPlain) return ok({ objects: byKey, documents, warnings: [] })
  const parsed = parseDocuments(text, documentOptions)
  if (!parsed.ok) return parsed
  const { warnings } = parsed.value
  return ok({ objects: toMap(parsed.value.objects.map(({ object }) => object)), documents: new Map(), warnings })
}

/** What is for security of a text that is not all right. */
const readClosed = (text: string): FileReading => {
  const values = splitDocuments(text).flatMap((document) => {
    const items = readItems(document, documentOptions)
    return items.ok ? items.value.map(({ value }) => value) : []
  })
  const objects = values.flatMap((value) => toSecurityObject(value) ?? [])
  return { objects: toMap(objects), documents: new Map(), warnings: [], isClosed: true }
}

const named = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ namespace: z.unknown().optional() }).catch({ namespace: undefined }),
})

const toSecurityObject = (value: unknown): ConfigObject | undefined => {
  const { data } = named.safeParse(value)
  if (!data) return undefined
  const definition = findKindOfGroup(data.apiVersion, data.kind)
  if (!definition?.closed) return undefined
  const parsed = parseObject(value, documentOptions)
  if (parsed.ok) return parsed.value.object
  return toClosedObject(definition, {
    ...data,
    metadata: { ...data.metadata, namespace: data.metadata.namespace ?? documentOptions.defaultNamespace },
  })
}

/** undefined when something is wrong, or noteworthy, or there twice. */
const readDocuments = (text: string, known: Documents): Documents | undefined => {
  const documents = new Map<string, readonly ConfigObject[]>()
  for (const document of splitDocuments(text)) {
    const objects = known.get(document) ?? readDocument(document)
    if (!objects || documents.has(document) || documents.size >= documentOptions.maxObjects) return undefined
    documents.set(document, objects)
  }
  return documents
}

const readDocument = (document: string): readonly ConfigObject[] | undefined => {
  const parsed = parseDocuments(document, documentOptions)
  return parsed.ok && parsed.value.warnings.length === 0 ? parsed.value.objects.map(({ object }) => object) : undefined
}

const toMap = (objects: readonly ConfigObject[]): ReadonlyMap<string, ConfigObject> =>
  new Map(objects.map((object) => [objectKeyOf(object), object]))
