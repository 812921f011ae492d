import { describe, expect, test } from 'vitest'
import { isForeignHost, ownerOfHost } from './host-owner.ts'

describe('a host is by its name', () => {
  test.each([
    ['payments.pay.svc.cluster.local', 'pay'],
    ['Payments.Pay.SVC.cluster.local.', 'pay'],
    ['payments.pay.svc', 'pay'],
    ['db-0.db.pay.svc.cluster.local', 'pay'],
    ['*.pay.svc.cluster.local', 'pay'],
    ['*ments.pay.svc.cluster.local', 'pay'],
    ['*-pay.svc.cluster.local', '*'],
    ['*.svc.cluster.local', '*'],
    ['*svc.cluster.local', '*'],
    ['*.local', '*'],
    ['*.svc', '*'],
    ['*', '*'],
    ['*.example.org', undefined],
    ['payments.pay.svc.example.org', undefined],
    ['svc.cluster.local', undefined],
    ['pay.svc.cluster.local', undefined],
    ['payments.pay', undefined],
    ['payments', undefined],
    ['10.0.0.1', undefined],
  ])('%s: of the namespace %s', (host, owner) => {
    expect(ownerOfHost(host, 'cluster.local')).toBe(owner)
  })

  test('of a namespace under the suffix of the mesh alone', () => {
    expect(ownerOfHost('payments.pay.svc.k8s.example.org', 'k8s.example.org')).toBe('pay')
    expect(ownerOfHost('*.example.org', 'k8s.example.org')).toBe('*')
    expect(ownerOfHost('payments.pay.svc.cluster.local', 'k8s.example.org')).toBeUndefined()
  })

  test('foreign to all namespaces but its own, and one of many to all', () => {
    const isForeign = (host: string, namespace: string) => isForeignHost(host, namespace, 'cluster.local')
    expect(isForeign('payments.pay.svc.cluster.local', 'books')).toBe(true)
    expect(isForeign('payments.pay.svc.cluster.local', 'pay')).toBe(false)
    expect(isForeign('*.svc.cluster.local', 'pay')).toBe(true)
    expect(isForeign('api.example.org', 'books')).toBe(false)
  })
})
