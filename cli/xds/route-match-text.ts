import { z } from 'zod'
import { toShort } from '../output/to-short.ts'

const regex = z.object({ regex: z.string() })
const stringMatch = z.object({
  exact: z.string().optional(),
  prefix: z.string().optional(),
  suffix: z.string().optional(),
  contains: z.string().optional(),
  safe_regex: regex.optional(),
})
const valueMatch = z.object({
  name: z.string(),
  string_match: stringMatch.optional(),
  present_match: z.boolean().optional(),
  invert_match: z.boolean().optional(),
})

/** `config.route.v3.RouteMatch`, as far as it is told. */
export const routeMatch = z.object({
  prefix: z.string().optional(),
  path: z.string().optional(),
  path_separated_prefix: z.string().optional(),
  safe_regex: regex.optional(),
  headers: z.array(valueMatch).default([]),
  query_parameters: z.array(valueMatch).default([]),
})

const maxLength = 40

/** Of a route, in a column. */
export const toRouteCell = (text: string): string => toShort(text, maxLength)

/** "prefix /api GET x-user=ann !x-old": the path, then what headers and "?" query parameters have to be. */
export const toMatchText = ({ headers, query_parameters, ...path }: z.infer<typeof routeMatch>): string =>
  toRouteCell(
    [
      toPathText(path),
      ...headers.map(toValueText),
      ...query_parameters.map((parameter) => `?${toValueText(parameter)}`),
    ].join(' '),
  )

const toPathText = (path: Omit<z.infer<typeof routeMatch>, 'headers' | 'query_parameters'>): string => {
  if (path.safe_regex) return `regex ${path.safe_regex.regex}`
  return path.path === undefined ? `prefix ${path.prefix ?? path.path_separated_prefix ?? '/'}` : `path ${path.path}`
}

const toValueText = ({ name, string_match, present_match, invert_match }: z.infer<typeof valueMatch>): string => {
  const isNot = (invert_match ?? false) !== (present_match === false)
  if (name === ':method' && string_match?.exact !== undefined && !isNot) return string_match.exact
  return `${isNot ? '!' : ''}${name}${string_match ? toStringText(string_match) : ''}`
}

const toStringText = ({ exact, prefix, suffix, contains, safe_regex }: z.infer<typeof stringMatch>): string => {
  if (safe_regex) return `~${safe_regex.regex}`
  if (prefix !== undefined) return `=${prefix}*`
  if (suffix !== undefined) return `=*${suffix}`
  return contains === undefined ? `=${exact ?? ''}` : `=*${contains}*`
}
