import type { CatalogEntry } from './service.ts'

/** A service as its cluster offers it to the mesh: endpoints that only this cluster believes (docs/decisions/0013) are not among them. */
export const withoutExternal = (entry: CatalogEntry): CatalogEntry => {
  const endpoints = entry.endpoints.filter(({ issuer }) => issuer === undefined)
  return endpoints.length === entry.endpoints.length ? entry : { ...entry, endpoints }
}
