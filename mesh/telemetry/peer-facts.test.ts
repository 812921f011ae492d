import { describe, expect, test } from 'vitest'
import { parsePeerSubject, toPeerFacts, toSubjectUnits } from './peer-facts.ts'

describe('the facts of a workload', () => {
  test.each([
    [
      'what made it and nothing else',
      {},
      { canonicalService: 'reviews-v1', canonicalRevision: 'latest', app: 'unknown', version: 'unknown' },
    ],
    [
      'app and version',
      { app: 'reviews', version: 'v1' },
      { canonicalService: 'reviews', canonicalRevision: 'v1', app: 'reviews', version: 'v1' },
    ],
    [
      'the recommended labels before these',
      { app: 'a', version: 'b', 'app.kubernetes.io/name': 'c', 'app.kubernetes.io/version': 'd' },
      { canonicalService: 'c', canonicalRevision: 'd', app: 'a', version: 'b' },
    ],
    [
      "Istio's own before all",
      {
        'app.kubernetes.io/name': 'c',
        'service.istio.io/canonical-name': 'e',
        'service.istio.io/canonical-revision': 'f',
      },
      { canonicalService: 'e', canonicalRevision: 'f', app: 'unknown', version: 'unknown' },
    ],
  ])('are of %s', (_, labels, expected) => {
    expect(toPeerFacts({ name: 'reviews-v1-5d-x', controller: 'reviews-v1', labels })).toEqual({
      workload: 'reviews-v1',
      ...expected,
    })
  })

  test('are of its own name where nothing made it', () => {
    expect(toPeerFacts({ name: 'vm-1', labels: {} })).toMatchObject({ workload: 'vm-1', canonicalService: 'vm-1' })
  })

  test.each(['reviews.v1_x-1', 'a,OU=workload:b', 'a\\b"+<>;#= c'])('survive a subject: %s', (workload) => {
    const facts = toPeerFacts({ name: workload, labels: { app: 'reviews' } })
    const escaped = toSubjectUnits(facts).map((unit) => `OU=${unit.replaceAll(/[,+"\\<>;]/g, '\\$&')}`)
    expect(parsePeerSubject(escaped.toReversed().join(','))).toEqual(facts)
  })

  test.each(['', 'CN=somebody,O=Kubernetes', 'OU=other'])('are not in the subject "%s"', (subject) => {
    expect(parsePeerSubject(subject)).toBeUndefined()
  })
})
