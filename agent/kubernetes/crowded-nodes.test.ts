import { expect, it } from 'vitest'
import type { KnownPod } from '#agent/registry/kubernetes/pod-directory.ts'
import { findCrowdedNodes } from './crowded-nodes.ts'

const toPods = (node: string, count: number, injected = true): KnownPod[] =>
  Array.from({ length: count }, (_, index) => ({
    namespace: 'shop',
    name: `${node}-${index}`,
    uid: `${node}-${index}`,
    serviceAccount: 'default',
    labels: {},
    ip: '',
    node,
    injected,
    proxyStarted: injected,
  }))

it('tells of each node where proxies have used up most of what one user is allowed', () => {
  const pods = [...toPods('full', 34), ...toPods('roomy', 33), ...toPods('plain', 90, false), ...toPods('', 90)]
  expect(findCrowdedNodes(pods, 128)).toEqual([
    expect.stringMatching(/^Node\/full: it has more than 80 % of the 42 pods .*max_user_instances=128/),
  ])
})

it('says nothing where the kernel has room, or does not tell', () => {
  expect(findCrowdedNodes(toPods('full', 110), 1024)).toEqual([])
  expect(findCrowdedNodes(toPods('full', 110), undefined)).toEqual([])
})
