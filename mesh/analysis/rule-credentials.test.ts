import { expect, it } from 'vitest'
import { parse } from 'yaml'
import { toAnalyzedObjects } from './analyzed-objects.ts'
import { findRuleCredentialProblems } from './rule-credentials.ts'

const find = (spec: string, keys: Readonly<Record<string, readonly string[]>>, namespace = 'shop') => {
  const rule = {
    apiVersion: 'networking.istio.io/v1',
    kind: 'DestinationRule',
    metadata: { name: 'out', namespace },
    spec: parse(`{host: a.org, ${spec}}`) as Record<string, unknown>,
  }
  return findRuleCredentialProblems(toAnalyzedObjects([rule]), {
    domainSuffix: 'cluster.local',
    hasHost: () => true,
    secrets: { namespaces: new Set(['shop']), keys: new Map(Object.entries(keys)) },
  }).map(({ path }) => path)
}
const selector = 'workloadSelector: {matchLabels: {app: web}}'
const tls = (mode: string, name = 'a') => `{tls: {mode: ${mode}, credentialName: ${name}}}`
const path = 'spec.trafficPolicy.tls.credentialName'

it('finds Secrets of the sidecars that a rule selects which are not there, or lack something', () => {
  const simple = `${selector}, trafficPolicy: ${tls('SIMPLE')}`
  const mutual = `${selector}, trafficPolicy: ${tls('MUTUAL')}`
  expect(find(simple, {})).toEqual([path])
  expect(find(simple, { 'shop/a': ['ca.crt'] })).toEqual([])
  expect(find(simple, { 'shop/a-cacert': ['ca.crt'] })).toEqual([])
  expect(find(simple, { 'shop/a': ['wrong'] })).toEqual([path])
  expect(find(mutual, { 'shop/a': ['ca.crt'] })).toEqual([path])
  expect(find(mutual, { 'shop/a': ['tls.crt', 'tls.key', 'ca.crt'] })).toEqual([])
})
it('looks at subsets, and leaves open what is not known', () => {
  expect(find(`${selector}, subsets: [{name: v1, trafficPolicy: ${tls('SIMPLE')}}]`, {})).toEqual([
    `spec.subsets[0].${path.slice('spec.'.length)}`,
  ])
  expect(find(`trafficPolicy: ${tls('SIMPLE')}`, {})).toEqual([])
  expect(find(`${selector}, trafficPolicy: ${tls('SIMPLE')}`, {}, 'elsewhere')).toEqual([])
  expect(find(`${selector}, trafficPolicy: ${tls('SIMPLE', 'elsewhere/a')}`, {})).toEqual([])
})
