import { isAuthorityHeader, type HeaderOperations } from '#mesh/config/schema/header-operations.ts'
import type { HeaderChanges, HeaderPut } from '#xds/model/virtual-host.ts'

type Operations = NonNullable<HeaderOperations['request']> | undefined

/** All but the authority, which a route sets by itself (`toAuthority`); undefined when nothing changes. Later ones come after earlier ones. */
export const compileHeaderChanges = (...operations: readonly Operations[]): HeaderChanges | undefined => {
  const put = operations.flatMap((each) => [...toPuts(each?.set, false), ...toPuts(each?.add, true)])
  const remove = operations.flatMap((each) => each?.remove ?? [])
  return put.length + remove.length === 0 ? undefined : { put, remove }
}

/** The authority that a request's headers are set to. */
export const toAuthority = (operations: Operations): string | undefined =>
  [...Object.entries(operations?.set ?? {}), ...Object.entries(operations?.add ?? {})].find(([name]) =>
    isAuthorityHeader(name),
  )?.[1]

const toPuts = (headers: Readonly<Record<string, string>> | undefined, isAdded: boolean): HeaderPut[] =>
  Object.entries(headers ?? {}).flatMap(([name, value]) => (isAuthorityHeader(name) ? [] : [{ name, value, isAdded }]))
