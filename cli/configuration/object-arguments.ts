import { CliError } from '../cli-error.ts'

/** Short names as kubectl users know them from Istio's and Kubernetes' CRDs. */
const shortNames: Readonly<Record<string, string>> = {
  vs: 'VirtualService',
  dr: 'DestinationRule',
  se: 'ServiceEntry',
  we: 'WorkloadEntry',
  svc: 'Service',
}

/** The kind that a person means by "VirtualService", "virtualservices" or "vs". */
export const toKind = async (text: string): Promise<string> => {
  // The schemas of all kinds come with their names: they are loaded when a kind is looked up.
  const { findKindByName, kinds } = await import('#mesh/config/kind-table.ts')
  const definition = findKindByName(shortNames[text.toLowerCase()] ?? text)
  if (definition !== undefined) return definition.kind
  throw new CliError('usage', `There is no kind ${text}`, {
    remedy: `There are ${kinds.map(({ kind }) => kind).join(', ')}.`,
  })
}

export interface ObjectName {
  readonly kind: string
  readonly namespace: string
  readonly name: string
}

/** Reads "KIND NAME", "KIND/NAME" and "KIND/NAMESPACE/NAME" (what `-o name` gives). */
export const toObjectName = async (
  first: string,
  second: string | undefined,
  namespace: string | undefined,
): Promise<ObjectName> => {
  const [kind = '', ...rest] = [...first.split('/'), ...(second === undefined ? [] : [second])]
  const [name, ...outer] = rest.toReversed()
  const [given] = outer
  if (name === undefined || outer.length > 1 || second?.includes('/') === true) {
    throw new CliError('usage', 'Which object?', {
      remedy: 'It reads KIND NAME, KIND/NAME or KIND/NAMESPACE/NAME, of one object.',
    })
  }
  if (given !== undefined && namespace !== undefined && given !== namespace) {
    throw new CliError('usage', `The namespace is given as ${given} and as ${namespace}`)
  }
  return { kind: await toKind(kind), namespace: given ?? namespace ?? 'default', name }
}
