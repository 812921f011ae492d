import { defaultRevision, injectLabel, injectionLabel, revisionLabel } from '../kubernetes/conventions.ts'
import { uninjectedNamespaces } from './decide-injection.ts'

interface Requirement {
  readonly key: string
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist'
  readonly values?: readonly string[]
}
interface Selector {
  readonly matchExpressions: readonly Requirement[]
}

/** Which pods an API server brings to the injector. */
export interface InjectorWebhook {
  /** Unique among a configuration's; a webhook needs a name with three parts. */
  readonly name: string
  readonly namespaceSelector: Selector
  readonly objectSelector: Selector
}

const is = (key: string, value: string): Requirement => ({ key, operator: 'In', values: [value] })
const absent = (key: string): Requirement => ({ key, operator: 'DoesNotExist' })
const notRefused: Requirement = { key: injectLabel, operator: 'NotIn', values: ['false'] }
/** The API server gives every namespace its name as a label. Without this an injector that is away could keep itself from starting. */
const injectable: Requirement = {
  key: 'kubernetes.io/metadata.name',
  operator: 'NotIn',
  values: uninjectedNamespaces,
}

const toWebhook = (
  name: string,
  namespace: readonly Requirement[],
  object: readonly Requirement[],
): InjectorWebhook => ({
  name: `${name}.injector.atoll.dev`,
  namespaceSelector: { matchExpressions: [...namespace, injectable] },
  objectSelector: { matchExpressions: object },
})

/** The selectors that say what `decideInjection` says, as far as labels go. They exclude each other: no pod comes twice. */
export const toInjectorWebhooks = (revision: string): readonly InjectorWebhook[] => [
  toWebhook('revision-of-namespace', [is(revisionLabel, revision), absent(injectionLabel)], [notRefused]),
  toWebhook(
    'revision-of-pod',
    [absent(revisionLabel), absent(injectionLabel)],
    [notRefused, is(revisionLabel, revision)],
  ),
  ...(revision === defaultRevision
    ? [
        toWebhook('namespace', [is(injectionLabel, 'enabled')], [notRefused]),
        toWebhook(
          'pod',
          [absent(injectionLabel), absent(revisionLabel)],
          [is(injectLabel, 'true'), absent(revisionLabel)],
        ),
      ]
    : []),
]
