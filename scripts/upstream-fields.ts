/**
 * Writes down which fields upstream's kinds have, for the test that holds Atoll's kinds against them:
 *
 *   node scripts/upstream-fields.ts <customresourcedefinitions.gen.yaml> > mesh/support/testdata/istio-api.txt
 *
 * The file is kubernetes/customresourcedefinitions.gen.yaml of the Go module istio.io/api; say its version in the first line.
 */
import { readFileSync } from 'node:fs'
import { parseAllDocuments } from 'yaml'
import { z } from 'zod'
import { findKindByName } from '#mesh/config/kind-table.ts'

interface OpenApiSchema {
  readonly type?: string | undefined
  readonly enum?: readonly string[] | undefined
  readonly items?: OpenApiSchema | undefined
  readonly properties?: Readonly<Record<string, OpenApiSchema>> | undefined
  readonly additionalProperties?: OpenApiSchema | undefined
}

const openApiSchema: z.ZodType<OpenApiSchema> = z.lazy(() =>
  z.object({
    type: z.string().optional(),
    enum: z.array(z.string()).optional(),
    items: openApiSchema.optional(),
    properties: z.record(z.string(), openApiSchema).optional(),
    additionalProperties: openApiSchema.optional(),
  }),
)

const definition = z.object({
  spec: z.object({
    group: z.string(),
    names: z.object({ kind: z.string() }),
    versions: z.array(
      z.object({
        name: z.string(),
        schema: z.object({ openAPIV3Schema: z.object({ properties: z.object({ spec: openApiSchema }) }) }),
      }),
    ),
  }),
})

/** One line per field: `http[].match[].headers{}.exact`, with an enum's values behind it. */
const listFields = (schema: OpenApiSchema, path: string): readonly string[] => {
  if (schema.items) return listFields(schema.items, `${path}[]`)
  if (schema.additionalProperties) return listFields(schema.additionalProperties, `${path}{}`)
  const own = path === '' ? [] : [schema.enum ? `${path} ${schema.enum.join('|')}` : path]
  const inner = Object.entries(schema.properties ?? {}).flatMap(([name, field]) =>
    listFields(field, path === '' ? name : `${path}.${name}`),
  )
  return [...own, ...inner]
}

const [file] = process.argv.slice(2)
if (file === undefined) throw new Error('usage: node scripts/upstream-fields.ts <customresourcedefinitions.gen.yaml>')

for (const document of parseAllDocuments(readFileSync(file, 'utf8'))) {
  const parsed = definition.safeParse(document.toJS())
  if (!parsed.success || !findKindByName(parsed.data.spec.names.kind)) continue
  const { names, versions } = parsed.data.spec
  const fields = versions.map((version) => listFields(version.schema.openAPIV3Schema.properties.spec, '').toSorted())
  for (const each of fields)
    if (each.join() !== fields[0]?.join()) throw new Error(`the versions of ${names.kind} differ`)
  console.log(
    `\n${names.kind} ${versions
      .map((version) => version.name)
      .toSorted()
      .join(' ')}\n${(fields[0] ?? []).join('\n')}`,
  )
}
