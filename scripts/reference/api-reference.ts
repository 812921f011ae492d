import type { RouteConfig } from '@hono/zod-openapi'
import { apiRoutes, buildOpenApiDocument } from '#api/openapi.ts'
import { problemTypes } from '#api/problem-details.ts'

type Document = ReturnType<typeof buildOpenApiDocument>
/** The parts of a JSON schema that the page shows. */
interface Schema {
  $ref?: string
  type?: string | string[]
  description?: string
  enum?: unknown[]
  default?: unknown
  minimum?: number
  maximum?: number
  maxLength?: number
  maxItems?: number
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema
  oneOf?: Schema[]
  anyOf?: Schema[]
  allOf?: Schema[]
  additionalProperties?: Schema | boolean
}
interface Parameter {
  name: string
  in: string
  required?: boolean
  description?: string
  schema: Schema
}
interface Operation {
  parameters?: Parameter[]
  requestBody?: { content: Record<string, { schema: Schema }> }
  responses: Record<string, { description: string; content?: Record<string, { schema: Schema }> }>
}

/** Said once for all routes. */
const refusedAnywhere: readonly string[] = [
  'invalid_request',
  'unauthenticated',
  'forbidden',
  'rate_limited',
  'internal',
  'unavailable',
]

const isSchemaOfInterest = ({ properties, $ref }: Schema): boolean => properties !== undefined && $ref === undefined

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ')

const toTypeText = (schema: Schema): string => {
  if (schema.$ref !== undefined) {
    const name = schema.$ref.split('/').at(-1) ?? ''
    return `[${name}](#${name.toLowerCase()})`
  }
  const [words, anyWord] = schema.anyOf ?? []
  if (words?.enum !== undefined && anyWord !== undefined && Object.entries(anyWord).join() === 'type,string')
    return `${toTypeText(words)}, …`
  const variants = schema.oneOf ?? schema.anyOf ?? schema.allOf
  if (variants !== undefined) return [...new Set(variants.map(toTypeText))].join(schema.allOf ? ' and ' : ' or ')
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${String(value)}\``).join(', ')
  if (schema.items !== undefined) return `list of ${toTypeText(schema.items)}`
  if (schema.properties !== undefined) {
    return `{${Object.entries(schema.properties)
      .map(([name, field]) => `${name}: ${toTypeText(field)}`)
      .join('; ')}}`
  }
  if (typeof schema.additionalProperties === 'object') return `map of ${toTypeText(schema.additionalProperties)}`
  const type = Array.isArray(schema.type) ? schema.type.join(' or ') : (schema.type ?? 'anything')
  return type
}

const toLimits = (schema: Schema): string =>
  [
    schema.default === undefined ? '' : `Default: \`${JSON.stringify(schema.default)}\`.`,
    schema.minimum === undefined ? '' : `At least ${schema.minimum}.`,
    schema.maximum === undefined || schema.maximum === Number.MAX_SAFE_INTEGER ? '' : `At most ${schema.maximum}.`,
    schema.maxLength === undefined ? '' : `At most ${schema.maxLength} characters.`,
    schema.maxItems === undefined ? '' : `At most ${schema.maxItems}.`,
  ]
    .filter((part) => part !== '')
    .join(' ')

const toText = (schema: Schema): string => cell([schema.description ?? '', toLimits(schema)].filter(Boolean).join(' '))

const toFieldTable = (schema: Schema): string[] => [
  '| field | type | |',
  '|---|---|---|',
  ...Object.entries(schema.properties ?? {}).map(([name, field]) => {
    const optional = schema.required?.includes(name) ? '' : ' (optional)'
    return `| \`${name}\`${optional} | ${cell(toTypeText(field))} | ${toText(field)} |`
  }),
]

const toOperation = (route: RouteConfig, document: Document): string[] => {
  const path = document.paths?.[route.path] as Record<string, Operation> | undefined
  const operation = path?.[route.method]
  if (operation === undefined) throw new Error(`${route.path} is not in the document`)
  const lines = [
    `### ${route.method.toUpperCase()} ${route.path}`,
    '',
    `${route.summary}.${route.description ? ` ${route.description}` : ''}`,
    '',
  ]
  const parameters = (operation.parameters ?? []).filter(({ name }) => name !== 'Idempotency-Key')
  if (parameters.length > 0) {
    lines.push('| parameter | in | type | |', '|---|---|---|---|')
    for (const parameter of parameters) {
      const optional = parameter.required === true ? '' : ' (optional)'
      lines.push(
        `| \`${parameter.name}\`${optional} | ${parameter.in} | ${cell(toTypeText(parameter.schema))} | ${toText({ ...parameter.schema, description: parameter.description ?? '' })} |`,
      )
    }
    lines.push('')
  }
  for (const [type, { schema }] of Object.entries(operation.requestBody?.content ?? {})) {
    lines.push(`Body \`${type}\`${isSchemaOfInterest(schema) ? ':' : `: ${toTypeText(schema)}`}`, '')
    if (isSchemaOfInterest(schema)) lines.push(...toFieldTable(schema), '')
  }
  const refusals: string[] = []
  for (const [status, { description, content }] of Object.entries(operation.responses)) {
    const schema = content?.['application/json']?.schema
    if (Number(status) < 400)
      lines.push(`- **${status}** ${description}${schema === undefined ? '' : ` ${toTypeText(schema)}`}`)
    else refusals.push(...[...description.matchAll(/`(\w+)`: /g)].map(([, code = '']) => code))
  }
  const own = refusals.filter((code) => !refusedAnywhere.includes(code))
  if (own.length > 0) lines.push(`- Refused as ${own.map((code) => `\`${code}\``).join(', ')}`)
  return [...lines, '']
}

/** The page of the HTTP API: every route, every type that it names, every problem code. */
export const toApiReference = (): string => {
  const document = buildOpenApiDocument('')
  const tags = [...new Set(apiRoutes.map((route) => route.tags?.[0] ?? ''))]
  const schemas = Object.entries((document.components?.schemas ?? {}) as Record<string, Schema>).toSorted(([a], [b]) =>
    a < b ? -1 : 1,
  )
  return [
    '# The HTTP API',
    '',
    'Generated from the contract in `api/` by `node scripts/reference.ts`. The same as OpenAPI 3.1: `/openapi.json` of every plane.',
    '',
    'Requests carry `Authorization: Bearer atoll_token_…`. Writes take `Idempotency-Key`: 8 to 128 characters that make a repeated request harmless for 24 hours. Lists come in pages: `{items, nextCursor}`. Refusals are',
    '`application/problem+json` (RFC 9457) with a stable `code`; every route may refuse as',
    `${refusedAnywhere.map((code) => `\`${code}\``).join(', ')}. Mistakes in configuration are listed one by one, with [codes of their own](../problems.md).`,
    'Words in answers that end with … may become more with a newer plane: show one that you do not know as it is. New fields come too.',
    '',
    '## Problem codes',
    '',
    '| code | status | |',
    '|---|---|---|',
    ...Object.entries(problemTypes).map(([code, { status, title }]) => `| \`${code}\` | ${status} | ${title}. |`),
    '',
    ...tags.flatMap((tag) => [
      `## ${tag[0]?.toUpperCase()}${tag.slice(1)}`,
      '',
      ...apiRoutes.filter((route) => route.tags?.[0] === tag).flatMap((route) => toOperation(route, document)),
    ]),
    '## Types',
    '',
    ...schemas.flatMap(([name, schema]) => [
      `### ${name}`,
      '',
      ...(schema.description ? [schema.description, ''] : []),
      ...toFieldTable(schema),
      '',
    ]),
  ]
    .join('\n')
    .trimEnd()
    .concat('\n')
}
