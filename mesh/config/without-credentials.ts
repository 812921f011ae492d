import { isFields } from '../is-fields.ts'
import type { WrittenMeshConfig } from './mesh-config.ts'

/** In a credential's place. */
const hidden = '[hidden]'

/**
 * A mesh's MeshConfig as those may see them who can't change them: without what lets proxies in at extension providers, the values of headers
 * (MeshConfig.ExtensionProvider.HttpHeader, includeAdditionalHeadersInCheck) and access tokens.
 */
export const withoutCredentials = (settings: WrittenMeshConfig): WrittenMeshConfig =>
  'extensionProviders' in settings
    ? { ...settings, extensionProviders: hide(settings['extensionProviders']) }
    : settings

const hide = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(hide)
  if (!isFields(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, hideField(name, field)]))
}

const hideField = (name: string, field: unknown): unknown => {
  if (name === 'accessToken') return hidden
  if (name === 'includeAdditionalHeadersInCheck' && isFields(field))
    return Object.fromEntries(Object.keys(field).map((header) => [header, hidden]))
  if ((name === 'headers' || name === 'initialMetadata') && Array.isArray(field)) return field.map(hideValue)
  return hide(field)
}

const hideValue = (header: unknown): unknown =>
  isFields(header) && 'value' in header ? { ...header, value: hidden } : header
