import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { kinds } from '#mesh/config/kind-table.ts'
import { describeFields } from '#mesh/support/describe-fields.ts'
import type { FieldDescription } from '#mesh/support/describe-fields.ts'

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
  const ours = kinds.filter(({ group }) => group === 'networking.istio.io').map(({ kind }) => kind)
  expect(new Set(upstream.map(({ kind }) => kind))).toEqual(new Set(ours))
})
