import { expect, it } from 'vitest'
import { pathsOfProblems } from '#test/kinds/problems-of-spec.ts'
import { closedAs } from './parse-object.ts'
import { peerAuthentication } from './peer-authentication.ts'

const problems = (spec: object, metadata?: object) =>
  pathsOfProblems('PeerAuthentication', spec, metadata, 'security.istio.io/v1')

const selector = { matchLabels: { app: 'finance' } }

it.each<[string, object]>([
  ['nothing', {}],
  ['null for what is unset', { selector: null, mtls: null, portLevelMtls: null }],
  ['a mode without one', { mtls: {} }],
  ...['UNSET', 'DISABLE', 'PERMISSIVE', 'STRICT'].map((mode): [string, object] => [mode, { mtls: { mode } }]),
  ['ports', { selector, mtls: { mode: 'UNSET' }, portLevelMtls: { 1: {}, 8080: { mode: 'DISABLE' }, 65535: {} } }],
])('takes %s', (_, spec) => {
  expect(problems(spec)).toEqual([])
})

it.each<[string, object, string]>([
  ['another mode', { mtls: { mode: 'MUTUAL' } }, 'invalid spec.mtls.mode'],
  ['ports of no workload', { portLevelMtls: { 8080: {} } }, 'invalid spec.portLevelMtls'],
  [
    'ports of every workload',
    { selector: { matchLabels: {} }, portLevelMtls: { 8080: {} } },
    'invalid spec.portLevelMtls',
  ],
  ['no ports', { selector, portLevelMtls: {} }, 'invalid spec.portLevelMtls'],
  ...['0', '65536', 'http', '-1', '08', '1.5', '1e3'].map((port): [string, object, string] => [
    `the port ${port}`,
    { selector, portLevelMtls: { [port]: {} } },
    `invalid spec.portLevelMtls${/^[a-z]/i.test(port) ? `.${port}` : `["${port}"]`}`,
  ]),
  ['a port that is null', { selector, portLevelMtls: { 8080: null } }, 'invalid spec.portLevelMtls["8080"]'],
  ['a wildcard', { selector: { matchLabels: { a: '*' } } }, 'invalid spec.selector.matchLabels.a'],
  ['a target', { targetRefs: [] }, 'unknown_field spec.targetRefs'],
])('refuses %s', (_, spec, expected) => {
  expect(problems(spec)).toEqual([expected])
})

it('warns of what means something else than it seems to', () => {
  expect(problems({ selector: {} })).toEqual(['warning spec.selector'])
  expect(problems({}, { annotations: { 'atoll.dev/precedence': 'override' } })).toEqual([
    'warning metadata.annotations["atoll.dev/precedence"]',
  ])
  expect(problems({}, { annotations: { 'istio.io/dry-run': 'true' } })).toEqual([
    'invalid metadata.annotations["istio.io/dry-run"]',
  ])
})

it('is strict for its own workloads where it is refused', () => {
  const closed = (spec: Record<string, unknown>) =>
    closedAs(peerAuthentication, {
      apiVersion: 'security.istio.io/v1',
      kind: 'PeerAuthentication',
      metadata: { name: 'a', namespace: 'shop' },
      spec,
    })?.spec
  expect(closed({ selector, mtls: { mode: 'OFF' } })).toEqual({ selector, mtls: { mode: 'STRICT' } })
  expect(closed({ selector: 'finance' })).toEqual({ mtls: { mode: 'STRICT' } })
})
