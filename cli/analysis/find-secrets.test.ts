import { expect, it } from 'vitest'
import { findSecrets } from './find-secrets.ts'

it('finds Secrets with their keys, and those that something makes', () => {
  const of = (kind: string, name: string, namespace: string | undefined, more: object = {}) => ({
    kind,
    metadata: { name, namespace },
    ...more,
  })
  const { keys, namespaces } = findSecrets(
    [
      of('Secret', 'a', 'shop', { data: { 'tls.crt': 'eA==', 'tls.key': '' }, stringData: { crl: 'x' } }),
      of('Secret', 'b', undefined),
      of('Certificate', 'web', 'ingress', { spec: { secretName: 'web-tls' } }),
      of('Certificate', 'unfinished', 'ingress'),
      of('SealedSecret', 'sealed', 'ingress'),
      of('ExternalSecret', 'own', 'ingress', { spec: {} }),
      of('ExternalSecret', 'other', 'ingress', { spec: { target: { name: 'renamed' } } }),
      of('Certificate', 'a', 'shop', { spec: { secretName: 'a' } }),
      of('ConfigMap', 'c', 'none'),
      'no object',
    ],
    'own',
  )
  expect(Object.fromEntries(keys)).toEqual({
    'shop/a': ['tls.crt', 'crl'],
    'own/b': undefined,
    'ingress/web-tls': undefined,
    'ingress/sealed': undefined,
    'ingress/own': undefined,
    'ingress/renamed': undefined,
  })
  expect([...namespaces]).toEqual(['shop', 'own'])
})
