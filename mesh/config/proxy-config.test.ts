import { expect, it } from 'vitest'
import { pathsOfProblems } from '#test/kinds/problems-of-spec.ts'

const paths = (spec: object) => pathsOfProblems('ProxyConfig', spec, {}, 'networking.istio.io/v1beta1')

it.each<[string, object, string[]]>([
  [
    'everything',
    {
      selector: { matchLabels: { a: 'b' } },
      concurrency: 0,
      environmentVariables: { A: 'b' },
      image: { imageType: 'default' },
    },
    [],
  ],
  ['nothing', {}, []],
  ['another image than there is', { image: { imageType: 'debug' } }, ['warning spec.image.imageType']],
  [
    "a variable of the injector's",
    { environmentVariables: { POD_NAME: 'x' } },
    ['unsupported spec.environmentVariables.POD_NAME'],
  ],
  ['a variable without a name', { environmentVariables: { '': 'x' } }, ['invalid spec.environmentVariables[""]']],
  ['a selector that selects nothing', { selector: {} }, ['warning spec.selector']],
  ['a negative concurrency', { concurrency: -1 }, ['invalid spec.concurrency']],
  ['a wildcard', { selector: { matchLabels: { a: '*' } } }, ['invalid spec.selector.matchLabels.a']],
])('with %s', (_, spec, expected) => {
  expect(paths(spec)).toEqual(expected)
})
