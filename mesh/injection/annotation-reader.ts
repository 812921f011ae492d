import { ok } from '../result.ts'
import type { Result } from '../result.ts'

/** What is wrong with a pod, or of what in it nothing follows. */
export interface InjectionProblem {
  /** From the pod's root. */
  readonly path: readonly PropertyKey[]
  readonly message: string
}

export const annotationProblem = (name: string, message: string): InjectionProblem => ({
  path: ['metadata', 'annotations', name],
  message,
})

/** What an annotation says, or why it says nothing, as the end of a sentence that begins with its name. */
export type ParseText<T> = (text: string) => Result<T, string>

/** Reads a pod's annotations one by one, and remembers which were malformed, and which nobody has asked for. */
export class AnnotationReader {
  readonly #annotations: Readonly<Record<string, string>>
  readonly #known = new Set<string>()
  readonly #problems: InjectionProblem[] = []

  constructor(annotations: Readonly<Record<string, string>>) {
    this.#annotations = annotations
  }

  /** undefined = it is not there, or malformed. */
  read<T>(name: string, parse: ParseText<T>): T | undefined {
    this.#known.add(name)
    const text = this.#annotations[name]
    if (text === undefined) return undefined
    const parsed = parse(text)
    if (parsed.ok) return parsed.value
    this.#problems.push(annotationProblem(name, parsed.error))
    return undefined
  }

  get problems(): readonly InjectionProblem[] {
    return this.#problems
  }

  /** In alphabetical order. */
  unread(): readonly string[] {
    return Object.keys(this.#annotations)
      .filter((name) => !this.#known.has(name))
      .toSorted()
  }
}

export const parseAnyText: ParseText<string> = (text) => ok(text)
