import { isFields } from '../is-fields.ts'
import { z } from 'zod'
import { podTemplatePaths } from '../kubernetes/pod-template-paths.ts'
import { err, ok } from '../result.ts'
import type { Result } from '../result.ts'
import type { InjectionProblem } from './annotation-reader.ts'
import { decideInjection } from './decide-injection.ts'
import { injectPod } from './inject-pod.ts'
import type { InjectionSettings } from './injection-settings.ts'
import { parsePod } from './pod.ts'

export interface InjectedObject {
  /** The object with its pod template injected, or as it was. */
  readonly value: unknown
  readonly warnings: readonly InjectionProblem[]
  /** "Deployment default/web" */
  readonly injected: readonly string[]
  readonly skipped: readonly { readonly name: string; readonly reason: string }[]
}

type Path = readonly string[]

const named = z.object({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.object({ name: z.string().nullish(), namespace: z.string().nullish() }).nullish(),
})
type Named = z.infer<typeof named>
const list = z.object({ kind: z.string().regex(/List$/), items: z.array(z.unknown()) })

/**
 * An object of a Kubernetes manifest with the proxy in its pods, as the webhook would inject them in a namespace that is switched on;
 * lists item by item. Objects without pods are given back as they are; what is no object is refused.
 */
export const injectObject = (
  value: unknown,
  settings: InjectionSettings,
  defaultNamespace: string,
): Result<InjectedObject, readonly InjectionProblem[]> => {
  if (list.safeParse(value).success && isFields(value)) return injectItems(value, settings, defaultNamespace)
  const object = named.safeParse(value)
  const at = object.success ? podTemplatePaths[`${object.data.apiVersion}/${object.data.kind}`] : undefined
  if (!object.success) return err([toNoObjectProblem(value)])
  if (at === undefined) return ok({ value, warnings: [], injected: [], skipped: [] })
  return injectTemplate(value, object.data, at, settings, defaultNamespace)
}

const toNoObjectProblem = (value: unknown): InjectionProblem => {
  const missing = ['apiVersion', 'kind'].find((field) => !isFields(value) || typeof value[field] !== 'string')
  return missing === undefined
    ? { path: ['metadata'], message: 'is not the metadata of a Kubernetes object' }
    : { path: [missing], message: 'is missing: this is no Kubernetes object' }
}

const injectItems = (
  value: Readonly<Record<string, unknown>>,
  settings: InjectionSettings,
  defaultNamespace: string,
): Result<InjectedObject, readonly InjectionProblem[]> => {
  const results = list.parse(value).items.map((item) => injectObject(item, settings, defaultNamespace))
  const problems = results.flatMap((result, index) => (result.ok ? [] : result.error.map(under(['items', index]))))
  if (problems.length > 0) return err(problems)
  const items = results.flatMap((result) => (result.ok ? [result.value] : []))
  return ok({
    value: { ...value, items: items.map((item) => item.value) },
    warnings: items.flatMap(({ warnings }, index) => warnings.map(under(['items', index]))),
    injected: items.flatMap(({ injected }) => injected),
    skipped: items.flatMap(({ skipped }) => skipped),
  })
}

const injectTemplate = (
  value: unknown,
  { kind, metadata }: Named,
  at: Path,
  settings: InjectionSettings,
  defaultNamespace: string,
): Result<InjectedObject, readonly InjectionProblem[]> => {
  const template = at.reduce((inner, part) => (isFields(inner) ? inner[part] : undefined), value)
  const parsed = parsePod(template)
  if (!parsed.ok) return err(parsed.error.map(({ path, message }) => under(at)({ path, message })))
  const namespace = metadata?.namespace ?? defaultNamespace
  const name = `${kind} ${namespace}/${metadata?.name ?? '(no name)'}`
  const pod = parsed.value
  const decision = decideInjection({ namespace, pod, revision: settings.revision })
  if (!decision.inject) return ok({ value, warnings: [], injected: [], skipped: [{ name, reason: decision.reason }] })
  const result = injectPod(pod, settings)
  if (!result.ok) return err(result.error.map(under(at)))
  return ok({
    value: replaceAt(value, at, result.value.pod),
    warnings: result.value.warnings.map(under(at)),
    injected: [name],
    skipped: [],
  })
}

const under =
  (at: readonly PropertyKey[]) =>
  (problem: InjectionProblem): InjectionProblem => ({ ...problem, path: [...at, ...problem.path] })

const replaceAt = (value: unknown, [part, ...rest]: Path, replacement: unknown): unknown =>
  part === undefined || !isFields(value) ? replacement : { ...value, [part]: replaceAt(value[part], rest, replacement) }
