import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemNamespace } from '#mesh/kubernetes/conventions.ts'
import { puppetPorts } from '../capture/errand.ts'
import { describeAccess } from '../policy/access-scenes.ts'
import { describeEviction } from '../policy/eviction-scenes.ts'
import { describeLimits } from '../policy/limit-scenes.ts'
import { describePeers } from '../policy/peer-scenes.ts'
import { account, PolicyStage, soon } from '../policy/policy-stage.ts'

// Two clusters on one flat network: where pods see each other as they are, and what policies make of that.
let stage: PolicyStage

beforeAll(async () => {
  stage = await PolicyStage.open()
}, 600_000)
afterAll(() => stage?.close(), 60_000)

test('on one flat network a pod calls pods of another cluster directly, and is known to them', async () => {
  await expect
    .poll(() => stage.ask('east/frontend', 'http://in-west/'), soon('guarded in west answers east'))
    .toEqual(account('frontend'))
  const { app, headers } = await stage.pod('east/frontend').does.getEcho('http://in-west/')
  expect(app).toMatch(/^guarded-/)
  expect(headers['x-forwarded-client-cert']).toContain(account('frontend'))
  // So it was no gateway that led there.
  const { stdout } = await stage.west.kubectl(['get', 'pods,services', '-n', systemNamespace, '-o', 'name'])
  expect(stdout).not.toContain('gateway')
  expect(await stage.talk('east/frontend', 'in-west', puppetPorts.echo)).toBe('answered')
})

const theStage = () => stage
describePeers(theStage)
describeAccess(theStage)
describeLimits(theStage)
describeEviction(theStage)
