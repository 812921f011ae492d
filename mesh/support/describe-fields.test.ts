import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { toApiVersion } from '#mesh/config/kind-definition.ts'
import { kinds } from '#mesh/config/kind-table.ts'
import { describeFields } from '#mesh/support/describe-fields.ts'
import type { FieldDescription } from '#mesh/support/describe-fields.ts'
import { pathsOfProblems } from '#test/kinds/problems-of-spec.ts'

/** Each line is a field's path, and behind a space its values when it is an enum. */
const upstream = readFileSync(new URL('testdata/istio-api.txt', import.meta.url), 'utf8')
  .split('\n\n')
  .slice(1)
  .map((block) => {
    const [title = '', ...fields] = block.trim().split('\n')
    const [kind, ...versions] = title.split(' ')
    return { kind, versions, fields }
  })

const toLines = (fields: readonly FieldDescription[]): readonly string[] =>
  fields.flatMap(({ path, note, fields: inner }) => {
    const values = note.values && [...note.values, ...Object.keys(note.refusedValues ?? {})]
    return [values ? `${path} ${values.join('|')}` : path, ...toLines(inner)]
  })

const refusedPaths = (fields: readonly FieldDescription[]): readonly string[] =>
  fields.flatMap(({ path, note, fields: inner }) => (note.refused === undefined ? refusedPaths(inner) : [path]))

/** A choice for Atoll, a string for upstream, whose validation has the same values. */
const plainStrings: readonly string[] = [
  'http[].redirect.scheme',
  'http[].fault.abort.grpcStatus',
  'http[].corsPolicy.allowMethods[]',
  'probe.httpGet.scheme',
]

it.each(upstream)(
  "$kind has upstream's fields, each supported or refused, and no others",
  ({ kind, versions, fields }) => {
    const definition = kinds.find((each) => each.kind === kind)
    if (!definition) throw new Error(`there is no kind ${kind}`)
    const described = describeFields(definition)
    const refused = refusedPaths(described)
    /** What is refused as a whole stands for all that is in it. */
    const toComparable = (line: string): string => {
      const [path = '', values] = line.split(' ')
      const whole = refused.find(
        (each) => path === each || (path.startsWith(each) && '.[{'.includes(path.charAt(each.length))),
      )
      if (whole !== undefined) return whole
      return values === undefined || plainStrings.includes(path)
        ? path
        : `${path} ${values.split('|').toSorted().join('|')}`
    }
    const toComparableSet = (lines: readonly string[]) => [...new Set(lines.map(toComparable))].toSorted()

    expect(definition.versions.toSorted()).toEqual(versions)
    expect(toComparableSet(toLines(described))).toEqual(toComparableSet(fields))
  },
)

it("knows upstream's kinds", () => {
  const ours = kinds.filter(({ group }) => group.endsWith('.istio.io')).map(({ kind }) => kind)
  expect(new Set(upstream.map(({ kind }) => kind))).toEqual(new Set(ours))
})

const port = { number: 80, name: 'http', protocol: 'HTTP' }
const destination = { host: 'a' }
it.each([
  [
    'DestinationRule',
    {
      host: 'a',
      trafficPolicy: {
        outlierDetection: { consecutiveErrors: 1 },
        portLevelSettings: [{ port: { number: 80 }, outlierDetection: { consecutiveErrors: 1 } }],
      },
      subsets: [{ name: 'a', trafficPolicy: { outlierDetection: { consecutiveErrors: 1 } } }],
    },
  ],
  [
    'Gateway',
    {
      selector: { app: 'a' },
      servers: [{ port: { ...port, targetPort: 81 }, defaultEndpoint: '127.0.0.1:80', hosts: ['a.org'] }],
    },
  ],
  ['ProxyConfig', { image: { imageType: 'debug' } }],
  ['Service', { selector: { app: 'a' }, sessionAffinity: 'ClientIP', ports: [{ name: 'http', port: 80 }] }],
  [
    'Sidecar',
    { ingress: [{ port: { ...port, targetPort: 81 }, defaultEndpoint: '127.0.0.1:80' }], egress: [{ hosts: ['./*'] }] },
  ],
  ['VirtualService', { hosts: ['a'], tcp: [{ match: [{ sourceSubnet: '10.0.0.0/8' }], route: [{ destination }] }] }],
])('a field of %s that is warned of whatever it says counts as without effect', (kind, spec) => {
  const definition = kinds.find((each) => each.kind === kind)
  const version = definition?.versions[0]
  if (!definition || version === undefined) throw new Error(`there is no kind ${kind}`)
  const toIdle = (fields: readonly FieldDescription[]): readonly string[] =>
    fields.flatMap(({ path, note, fields: inner }) => [...(note.withoutEffect ? [path] : []), ...toIdle(inner)])
  const idle = toIdle(describeFields(definition)).map((path) => `warning spec.${path}`)
  const warned = pathsOfProblems(kind, spec, {}, toApiVersion(definition, version))
  expect(warned.length).toBeGreaterThan(0)
  for (const each of warned) expect(idle).toContain(each.replaceAll(/\[\d+\]/g, '[]'))
})
