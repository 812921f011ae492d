import { expect, test } from 'vitest'
import { toControllerName, type Owner } from './to-controller-name.ts'

const hash = { 'pod-template-hash': '5d8f7c9b64' }

test.each<[string, readonly Owner[], Readonly<Record<string, string>>, string | undefined]>([
  ['a Deployment', [{ kind: 'ReplicaSet', name: 'reviews-v1-5d8f7c9b64', controller: true }], hash, 'reviews-v1'],
  ['a ReplicaSet that a person wrote', [{ kind: 'ReplicaSet', name: 'reviews', controller: true }], {}, 'reviews'],
  [
    'one whose name only looks like it',
    [{ kind: 'ReplicaSet', name: 'reviews-abc', controller: true }],
    hash,
    'reviews-abc',
  ],
  ['a StatefulSet', [{ kind: 'StatefulSet', name: 'db', controller: true }], {}, 'db'],
  ['a CronJob', [{ kind: 'Job', name: 'report-29412000', controller: true }], {}, 'report'],
  ['a Job', [{ kind: 'Job', name: 'migrate-2', controller: true }], {}, 'migrate-2'],
  ['what only owns it', [{ kind: 'Backup', name: 'b' }], {}, undefined],
  ['nobody', [], {}, undefined],
])('a pod of %s', (_, owners, labels, expected) => {
  expect(toControllerName(owners, labels)).toBe(expected)
})
