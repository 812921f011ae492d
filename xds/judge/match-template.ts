import { escapeRegex } from '#xds/compile/escape-regex.ts'
import { matchesWhole } from './match-text.ts'

/** What Envoy takes for a letter of a segment (RFC 3986: pchar). */
const letters = "a-zA-Z0-9\\-._~%!$&'()*+,;:@="

/** Envoy: UriTemplateMatchConfig: "*" is one segment, "**" what is left of the path, or of the part before what is behind it. */
export const matchesTemplate = (template: string, path: string): boolean =>
  matchesWhole(
    template
      .split('/')
      .map((segment) =>
        segment === '*' ? `[${letters}]+` : segment === '**' ? `[${letters}/]*` : escapeRegex(segment),
      )
      .join('/'),
    path,
  )
