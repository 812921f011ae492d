import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { toProblemDetails } from '#api/problem-details.ts'
import { withChangedFields } from '#mesh/config/mesh-config.ts'
import type { Problem } from '#mesh/problem.ts'
import { meshSettings } from '#mesh/settings.ts'
import { runFake } from './fake-io.ts'

let folder: string
let file: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'atoll-mesh-set-'))
  file = join(folder, 'mesh-config.yaml')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const settings = meshSettings.parse({
  meshId: 'm',
  meshName: 'shop',
  trustDomain: 'shop.test',
  meshConfig: { rootNamespace: 'istio-system', outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } },
})
const mesh = { id: 'm', name: 'shop', settings, revision: 1, clusters: 1, createdAt: '2026-01-01T00:00:00Z' }

/** Runs `atoll mesh set … -o json` before a plane that does as it is told, or answers this. */
const set = async (args: readonly string[], refusal?: { readonly status: number; readonly body: unknown }) => {
  const change = (_: URL, body = '{}') => {
    const { meshConfig, ...own } = JSON.parse(body) as { readonly meshConfig?: Readonly<Record<string, unknown>> }
    const changed = { ...settings, ...own, meshConfig: withChangedFields(settings.meshConfig, meshConfig) }
    return { status: 200, body: { ...mesh, settings: changed, problems: [] } }
  }
  const answers = { 'GET /v1/meshes/shop': { status: 200, body: mesh }, 'PATCH /v1/meshes/shop': refusal ?? change }
  const { calls, ...run } = await runFake(['mesh', 'set', ...args, '-o', 'json'], { answers })
  return { ...run, writes: calls.filter(({ method }) => method !== 'GET').length }
}

const opened = {
  changes: [
    { field: 'rootNamespace', before: 'istio-system', after: 'atoll-system' },
    { field: 'outboundTrafficPolicy.mode', before: 'REGISTRY_ONLY', after: 'ALLOW_ANY' },
    { field: 'accessLogFile', before: null, after: '/dev/stdout' },
  ],
}

describe('atoll mesh set', () => {
  it.each([
    [[], 1],
    [['--dry-run'], 0],
  ])('tells what a file changes, and that it opens the mesh: %j', async (more, writes) => {
    writeFileSync(file, 'accessLogFile: /dev/stdout')
    const run = await set(['--mesh-config', file, ...more])
    expect(run).toMatchObject({ code: 0, writes })
    expect(JSON.parse(run.stdout)).toMatchObject({
      ...opened,
      settings: { meshConfig: { accessLogFile: '/dev/stdout' } },
    })
    expect(run.stderr).toContain('rootNamespace: istio-system → atoll-system\n')
    expect(run.stderr).toContain('accessLogFile: not set → /dev/stdout\n')
    expect(run.stderr).toMatch(/^warning destinations that the mesh does not know were refused/m)
  })
  it('warns of nothing where options keep what a file leaves out', async () => {
    const { stdout, stderr } = await set([
      '--mesh-config',
      file,
      '--outbound-policy',
      'registry-only',
      '--inbound-mtls',
      'permissive',
      '--dry-run',
    ])
    expect(JSON.parse(stdout)).toMatchObject({
      changes: [{ field: 'inboundMtls', after: 'permissive' }, { field: 'rootNamespace' }, { field: 'accessLogFile' }],
      settings: { inboundMtls: 'permissive' },
    })
    expect(stderr).not.toContain('warning')
  })
  it('finds in a dry run what the plane would refuse, by file and line', async () => {
    writeFileSync(file, 'kind: ConfigMap\ndata:\n  mesh: |\n    accessLogFile: /a\n    b: 1\n')
    const { code, stderr, writes } = await set(['--mesh-config', file, '--dry-run'])
    expect({ code, writes }).toEqual({ code: 7, writes: 0 })
    expect(stderr).toContain(`${file}:5 MeshConfig shop b: `)
  })
  it('tells problems in JSON as all commands do', async () => {
    writeFileSync(file, 'enableTracing: true')
    const { stdout } = await set(['--mesh-config', file, '--dry-run'])
    expect(JSON.parse(stdout)).toMatchObject({
      problems: [
        {
          code: 'ineffective',
          class: 'semantic',
          path: 'enableTracing',
          text: expect.any(String) as unknown,
          place: `${file}:1`,
        },
      ],
    })
  })
  it('gives no place in the file to what an option says', async () => {
    writeFileSync(file, 'accessLogFile: /a')
    const { code, stderr } = await set(['--mesh-config', file, '--proxy-http-port', '70000', '--dry-run'])
    expect(code).toBe(7)
    expect(stderr).toContain('error (invalid) MeshConfig shop proxyHttpPort: ')
  })
  it('tells by file and line what the plane refuses', async () => {
    writeFileSync(file, 'kind: ConfigMap\ndata:\n  mesh: |\n    accessLogFile: /a\n    b: 1\n')
    const object = { kind: 'MeshConfig', namespace: '', name: 'shop' }
    const problems: Problem[] = [
      { code: 'unknown_field', severity: 'error', object, path: 'b', message: 'is no field' },
    ]
    const body = toProblemDetails('invalid_configuration', { requestId: 'r', detail: '1 error', problems })
    const { code, stderr } = await set(['--mesh-config', file], { status: 422, body })
    expect(code).toBe(7)
    expect(stderr).toContain(`${file}:5 MeshConfig shop b: `)
  })
  it.each([
    ['kind: A\n---\nkind: B', 2, 'holds several documents'],
    ['', 2, 'holds no settings'],
    ['- 1', 7, 'is no MeshConfig'],
    ['a: [', 7, 'mesh-config.yaml:2'],
  ])('refuses a file that is %j', async (text, code, expected) => {
    writeFileSync(file, text)
    expect(await set(['--mesh-config', file])).toMatchObject({
      code,
      writes: 0,
      stderr: expect.stringContaining(expected) as unknown,
    })
  })
})
