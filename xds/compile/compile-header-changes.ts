import { isAuthorityHeader, type HeaderOperations } from '#mesh/config/schema/header-operations.ts'
import type { HeaderChanges } from '#xds/model/virtual-host.ts'

type Operations = NonNullable<HeaderOperations['request']> | undefined

/** All but the authority, which a route sets by itself (`toAuthority`); undefined when nothing changes. */
export const compileHeaderChanges = (operations: Operations): HeaderChanges | undefined => {
  const set = toEntries(operations?.set)
  const add = toEntries(operations?.add)
  const remove = operations?.remove ?? []
  return set.length + add.length + remove.length === 0 ? undefined : { set, add, remove }
}

/** The authority that a request's headers are set to. */
export const toAuthority = (operations: Operations): string | undefined =>
  [...Object.entries(operations?.set ?? {}), ...Object.entries(operations?.add ?? {})].find(([name]) =>
    isAuthorityHeader(name),
  )?.[1]

const toEntries = (headers: Readonly<Record<string, string>> | undefined) =>
  Object.entries(headers ?? {}).filter(([name]) => !isAuthorityHeader(name))
