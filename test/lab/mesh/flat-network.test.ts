import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemNamespace } from '#mesh/kubernetes/conventions.ts'
import { eventually } from '#test/harness/child.ts'
import { Lab } from '../harness/lab.ts'
import { Client } from './client.ts'
import { LabMesh } from './lab-mesh.ts'
import { frontend, reviews, shopNamespace } from './shop.ts'

let lab: Lab
let mesh: LabMesh

beforeAll(async () => {
  lab = await Lab.up({ name: 'flat', clusters: 2, network: 'flat' })
  mesh = await LabMesh.start(lab)
  await Promise.all(lab.clusters.map(({ name }) => mesh.join(name)))
})
afterAll(() => lab?.down())

test('on one flat network a pod calls pods of another cluster directly, and is known to them', async () => {
  const [east, west] = [lab.cluster('east'), lab.cluster('west')]
  await Promise.all([east.apply(`${shopNamespace}---${frontend}`), west.apply(`${shopNamespace}---${reviews('v2')}`)])
  await west.waitForPods('shop', 'app=reviews', 2)
  const frontendOfEast = new Client(east, 'shop', ['frontend', 'app'])
  const answer = await eventually('reviews in west answer east', async () => {
    const [only] = await frontendOfEast.call('http://reviews:9080/', 1)
    return only?.failure === undefined && (JSON.parse(only?.body ?? '') as unknown)
  })
  expect(answer).toMatchObject({
    app: expect.stringMatching(/^reviews-v2-/),
    caller: 'spiffe://lab.atoll.local/ns/shop/sa/frontend',
  })
  // So it was no gateway that led there.
  const { stdout } = await west.kubectl(['get', 'pods,services', '-n', systemNamespace, '-o', 'name'])
  expect(stdout).not.toContain('gateway')
})
