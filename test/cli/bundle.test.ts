import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Child, run } from '#test/harness/child.ts'
import { freePort } from '#test/harness/world.ts'

/** What is published, outside of the clone, with the one package that it needs. */
const root = join(import.meta.dirname, '../..')
let folder: string
let plane: Child | undefined
beforeAll(() => {
  execFileSync(process.execPath, ['scripts/build.mjs'], { cwd: root, stdio: 'pipe' })
  folder = mkdtempSync(join(tmpdir(), 'atoll-bundle-'))
  cpSync(join(root, 'dist'), join(folder, 'atoll'), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
})
afterAll(async () => {
  await plane?.stop()
  rmSync(folder, { recursive: true, force: true })
})

const atoll = async (
  args: readonly string[],
  { input, env: more }: { readonly input?: string; readonly env?: Readonly<Record<string, string>> } = {},
) => {
  const env = { XDG_CONFIG_HOME: join(folder, 'config'), NO_COLOR: '1', ...more }
  const command = { name: 'atoll', command: process.execPath, args: [join(folder, 'atoll/atoll.js'), ...args], env }
  return run({ ...command, ...(input !== undefined && { input }) })
}

it('knows its version', async () => {
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string }
  expect(await atoll(['version', '-o', 'name'])).toMatchObject({ code: 0, stdout: version })
})

it('prints YAML', async () => {
  expect((await atoll(['version', '-o', 'yaml'])).stdout).toMatch(/^version: /)
})

it("has upstream's CRDs among the manifests", async () => {
  const env = { ATOLL_URL: 'https://plane.test', ATOLL_TOKEN: 'x', ATOLL_MESH: 'shop' }
  const { stdout } = await atoll(['cluster', 'join', 'east', '--context', 'east', '--dry-run', '-o', 'name'], { env })
  expect(stdout).toContain('CustomResourceDefinition sidecars.networking.istio.io')
  expect(stdout).toContain('Deployment atoll-system/atoll-agent')
  expect(stdout).not.toContain('Secret')
})

it('serves a plane and is its command line', async () => {
  const port = String(await freePort())
  const data = join(folder, 'plane')
  plane = new Child({
    name: 'plane',
    command: process.execPath,
    args: [join(folder, 'atoll/atoll.js'), 'plane', 'serve', '--data', data, '--port', port],
  })
  await plane.waitForLine(/is ready/)
  const setupToken = await readFile(join(data, 'setup-token'), 'utf8')
  const url = `http://127.0.0.1:${port}`
  expect(
    await atoll(['login', '--url', url, '--setup-token-stdin', '--org', 'acme'], { input: setupToken }),
  ).toMatchObject({
    code: 0,
  })
  expect(await atoll(['mesh', 'create', 'demo'])).toMatchObject({ code: 0 })
  expect(await atoll(['trust', 'verify'])).toMatchObject({ code: 0 })
  const joined = await atoll(['cluster', 'join', 'east', '--network', 'n', '--data', join(folder, 'east')])
  expect(joined.stdout).toContain('\n  atoll-agent run --config ')
})

it('loads the compiler where it is needed', async () => {
  const files = join(root, 'test/cli/testdata/xds-diff')
  const args = [
    'xds',
    'diff',
    '--before',
    join(files, 'before'),
    '--after',
    join(files, 'after'),
    '--proxy',
    'sidecar/default/frontend',
  ]
  const { code, stdout } = await atoll(args)
  expect(code).toBe(0)
  expect(stdout).toMatch(/^VirtualHost .*reviews\.default\.svc\.cluster\.local:9080$/m)
  expect(stdout).toMatch(/^\+ +timeout: 5s$/m)
})
