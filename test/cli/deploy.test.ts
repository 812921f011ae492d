import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { z } from 'zod'
import { kinds } from '#mesh/config/kind-table.ts'
import { describeFields, type FieldDescription } from '#mesh/support/describe-fields.ts'
import { agentUser, proxyUser } from '#mesh/kubernetes/conventions.ts'
import { findProgramFiles } from '#cli/program-files.ts'
import { readUpstreamDefinitions } from '#cli/kubernetes/custom-resource-definitions.ts'
import { standardImages } from '#test/lab/harness/images.ts'
import { toHelmChart } from '../../scripts/deploy/helm-chart.ts'

const deploy = join(import.meta.dirname, '../../deploy')
const read = (path: string) => readFileSync(join(deploy, path), 'utf8')

/** `npm run generate:deploy` brings it up to date. */
it('has the chart that the manifests make', () => {
  const chart = toHelmChart(findProgramFiles().version)
  const written = readdirSync(join(deploy, 'helm/atoll'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(join(deploy, 'helm/atoll/').length))
    .filter((path) => !path.startsWith('crds/'))
  expect(Object.fromEntries(written.map((path) => [path, read(`helm/atoll/${path}`)]))).toEqual(chart)
})

describe.each(['ingress', 'egress'])("the chart's %s gateway", (gateway) => {
  const chart = toHelmChart('0.0.0')[`templates/${gateway}-gateway.yaml`] ?? ''
  const withoutTemplates = chart.replaceAll(/^\{\{.*\n/gm, '').replaceAll(/\{\{.*\}\}/g, 'HELM')
  const objects = parseAllDocuments(withoutTemplates).map((document) =>
    z.looseObject({ kind: z.string() }).parse(document.toJS()),
  )
  const find = (wanted: string) => objects.filter(({ kind }) => kind === wanted)

  it('leaves its namespace behind, with the certificates in it', () => {
    const kept = { annotations: { 'helm.sh/resource-policy': 'keep' } }
    expect(find('Namespace')).toEqual([expect.objectContaining({ metadata: expect.objectContaining(kept) as object })])
  })

  it('has resources by values, and its Role what it is for', () => {
    expect(find('Role')).toMatchObject([{ rules: [{ resources: ['secrets'] }] }])
    expect(find('Deployment')).toMatchObject([
      { spec: { template: { spec: { containers: [{ resources: 'HELM' }] } } } },
    ])
  })
})

const isUpstreams = ({ group }: { readonly group: string }): boolean => group.endsWith('.istio.io')

describe("upstream's CRDs", () => {
  const sums = read('helm/atoll/crds/SHA256SUMS').trim().split('\n')

  it.each(sums.map((line) => line.split('  ')))('are as they were taken: %s  %s', (sum = '', name = '') => {
    expect(
      createHash('sha256')
        .update(read(`helm/atoll/crds/${name}`))
        .digest('hex'),
    ).toBe(sum)
  })

  it('are there for every kind that Kubernetes has not by itself, in all of its versions', async () => {
    const definitions = readUpstreamDefinitions(findProgramFiles().crds)
    const served = definitions.map(({ object }) => {
      const { group, names, versions } = parse(JSON.stringify(object['spec'])) as {
        group: string
        names: { kind: string }
        versions: { name: string; served: boolean }[]
      }
      const servedVersions = versions.filter((version) => version.served).map(({ name }) => name)
      return `${group} ${names.kind} ${servedVersions.toSorted().join()}`
    })
    const wanted = kinds
      .filter(({ group }) => group !== '')
      .map(({ group, kind, versions }) => `${group} ${kind} ${versions.toSorted().join()}`)
    expect(served.toSorted()).toEqual(wanted.toSorted())
    expect(sums).toHaveLength(kinds.filter(isUpstreams).length)
  })
})

/** The fields that a CRD has, as `describeFields` writes their paths. */
const toPaths = (schema: unknown, path = ''): readonly string[] => {
  const { properties, items, additionalProperties } = structural.parse(schema)
  if (items !== undefined) return toPaths(items, `${path}[]`)
  if (additionalProperties !== undefined) return toPaths(additionalProperties, `${path}{}`)
  if (!properties) return [path]
  return Object.entries(properties).flatMap(([name, inner]) => toPaths(inner, path === '' ? name : `${path}.${name}`))
}

const structural = z.object({
  properties: z.record(z.string(), z.unknown()).optional(),
  items: z.unknown().optional(),
  additionalProperties: z.unknown().optional(),
})

const specOf = z.object({
  versions: z.tuple([
    z.object({ schema: z.object({ openAPIV3Schema: z.object({ properties: z.object({ spec: z.unknown() }) }) }) }),
  ]),
})

describe("Atoll's own CRDs", () => {
  const toLeaves = (fields: readonly FieldDescription[]): readonly string[] =>
    fields.flatMap((field) => (field.fields.length > 0 ? toLeaves(field.fields) : [field.path]))

  it.each(kinds.filter((kind) => kind.group !== '' && !isUpstreams(kind)))(
    'have the fields of their kind: $kind',
    (kind) => {
      const definition = readUpstreamDefinitions(findProgramFiles().crds).find(
        ({ type }) => type.resource === kind.plural && type.group === kind.group,
      )
      const { versions } = specOf.parse(definition?.object['spec'])
      const { spec } = versions[0].schema.openAPIV3Schema.properties
      expect(toPaths(spec).toSorted()).toEqual([...toLeaves(describeFields(kind))].toSorted())
    },
  )
})

describe('an image', () => {
  const instructions = (file: string, name: string) =>
    read(file)
      .split('\n')
      .filter((line) => line.startsWith(`${name} `))
      .map((line) => line.slice(name.length + 1))

  it.each([
    ['agent.Dockerfile', 'atoll/agent', agentUser],
    ['proxy.Dockerfile', 'atoll/proxy', proxyUser],
  ])('of %s runs as %s does in the lab, and as the manifests say', (file, image, user) => {
    expect(instructions(file, 'USER')).toEqual([`${user}:${user}`])
    const lab = standardImages('')[image]
    expect(lab?.user).toBe(String(user))
    const [entrypoint = ''] = instructions(file, 'ENTRYPOINT')
    expect(parse(entrypoint)).toEqual(lab?.entrypoint)
  })
})
