import type { KnownSecrets } from '#mesh/analysis/known-mesh.ts'
import { toObjectName } from '#mesh/config/examine-object.ts'
import { isFields } from '#mesh/is-fields.ts'

type Named = NonNullable<ReturnType<typeof toObjectName>>

/**
 * The Secrets of manifests, and those that something among them makes in a cluster. Of their content nothing is kept but the keys that are not
 * empty.
 */
export const findSecrets = (manifests: readonly unknown[], namespace = 'default'): KnownSecrets => {
  const named = manifests.flatMap((value) => {
    const object = toObjectName(value, namespace)
    return object && isFields(value) ? [{ object, value }] : []
  })
  const written = named.filter(({ object }) => object.kind === 'Secret')
  const made = named.flatMap(({ object, value }) => {
    const name = madeBy[object.kind]?.(object, isFields(value['spec']) ? value['spec'] : {})
    return typeof name === 'string' ? [`${object.namespace}/${name}`] : []
  })
  return {
    namespaces: new Set(written.map(({ object }) => object.namespace)),
    keys: new Map([
      ...made.map((key) => [key, undefined] as const),
      ...written.map(({ object, value }) => [`${object.namespace}/${object.name}`, toKeys(value)] as const),
    ]),
  }
}

/** What the Secret is called that an object of a kind makes: of cert-manager, Sealed Secrets, External Secrets. */
const madeBy: Readonly<Record<string, (object: Named, spec: Readonly<Record<string, unknown>>) => unknown>> = {
  Certificate: (_, { secretName }) => secretName,
  SealedSecret: ({ name }) => name,
  ExternalSecret: ({ name }, { target }) => (isFields(target) ? target['name'] : undefined) ?? name,
}

const toKeys = ({ data, stringData }: Readonly<Record<string, unknown>>): readonly string[] | undefined =>
  isFields(data) || isFields(stringData)
    ? [data, stringData].flatMap((values) =>
        isFields(values) ? Object.keys(values).filter((key) => values[key] !== '' && values[key] !== null) : [],
      )
    : undefined
