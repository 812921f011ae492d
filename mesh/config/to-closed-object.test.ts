import { describe, expect, test } from 'vitest'
import { authorizationPolicy, isDryRun } from './authorization-policy.ts'
import { toClosedObject } from './to-closed-object.ts'

const close = (metadata: object, spec: unknown = {}) => toClosedObject(authorizationPolicy, { metadata, spec })
const selector = { matchLabels: { app: 'a' } }

describe('of metadata that is wrong', () => {
  test('what is no text is left out, and the object is closed all the same', () => {
    const labels = { app: 'a', version: 1 }
    const annotations = { note: 'x', 'istio.io/dry-run': true }
    expect(close({ name: 'a', namespace: 'shop', labels, annotations }, { selector })).toMatchObject({
      metadata: { name: 'a', namespace: 'shop', labels: { app: 'a' }, annotations: { note: 'x' } },
      spec: { selector, action: 'DENY', rules: [{}] },
    })
  })

  test.each([[undefined], [7], ['A, b/c'], [null]])('without a name (%s) all of the namespace is closed', (name) => {
    const closed = close({ name, namespace: 'shop' }, { selector })
    expect(closed).toMatchObject({ metadata: { namespace: 'shop' }, spec: { action: 'DENY', rules: [{}] } })
    expect(closed?.spec).not.toHaveProperty('selector')
  })

  test('without a spec all of the namespace is', () => {
    const closed = toClosedObject(authorizationPolicy, { metadata: { name: 'a', namespace: 'shop' } })
    expect(closed?.spec).toEqual({ action: 'DENY', rules: [{}] })
  })

  test('of a namespace that is none nothing is closed', () => {
    expect(close({ name: 'a', namespace: 'A' })).toBeUndefined()
    expect(toClosedObject(authorizationPolicy, { spec: {} })).toBeUndefined()
  })
})

test.each([
  [undefined, true],
  ['ALLOW', true],
  ['DENY', true],
  ['CUSTOM', false],
  ['AUDIT', true],
  ['FORBID', false],
])('what is only to be tried stays so when it is closed, of the action %s: %s', (action, isTried) => {
  const closed = close({ name: 'a', namespace: 'shop', annotations: { 'istio.io/dry-run': 'true' } }, { action })
  expect(closed && isDryRun(closed)).toBe(isTried)
})
