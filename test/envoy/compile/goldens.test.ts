import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { issueLeaf } from '#agent/identity/issue-leaf.ts'
import { east, TestRoot } from '#test/agent/test-pki.ts'
import { network1 } from '#test/mesh/records.ts'
import { createMember, Stage, type Member } from './stage.ts'

const scenes = join(import.meta.dirname, '../../../xds/testdata/in')

let root: TestRoot
let member: Member
let certificates: string

beforeAll(async () => {
  root = await TestRoot.create(Date.now())
  member = await createMember(root, east, network1)
  certificates = await mkdtemp(join(tmpdir(), 'atoll-certificates-'))
  const leaf = await issueLeaf(member.intermediate, { dnsNames: ['client.example'], usages: [] }, Date.now())
  await writeFile(join(certificates, 'cert.pem'), leaf.chainPem)
  await writeFile(join(certificates, 'key.pem'), leaf.privateKeyPem)
  await writeFile(join(certificates, 'ca.pem'), root.pem)
})
afterAll(() => rm(certificates, { recursive: true, force: true }))

test.each(readdirSync(scenes))('Envoy takes every resource of %s', async (name) => {
  const yaml = await readFile(join(scenes, name), 'utf8')
  const stage = await Stage.start(yaml, { root, member, members: [member], certificates })
  try {
    expect(await stage.untilDelivered()).toEqual([])
  } finally {
    await stage.stop()
  }
})
