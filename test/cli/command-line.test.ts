import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { World } from '#test/harness/world.ts'

/** The real command line against a real plane: each test goes on from the one before. */
let folder: string
let world: World
let setupToken = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'atoll-cli-'))
  world = await World.create(folder)
  await world.startPlane()
})
afterAll(async () => {
  await world.stop()
  await rm(folder, { recursive: true, force: true })
})

const write = async (name: string, text: string): Promise<string> => {
  await writeFile(join(folder, name), text)
  return join(folder, name)
}
const virtualService = (name: string, timeout: string) => `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${name}}
spec:
  hosts: [${name}.example.org]
  http:
  - timeout: ${timeout}
    route:
    - destination: {host: ${name}.example.org}
`
const serviceEntry = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: reviews}
spec:
  hosts: [reviews.example.org]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: DNS
`
const failing = (...args: string[]) => world.atoll(args, { allowFailure: true })

describe('signing in', () => {
  it('is needed', async () => {
    expect((await failing('mesh', 'list')).code).toBe(4)
  })

  it('refuses a wrong set-up token', async () => {
    const args = ['login', '--url', world.url, '--setup-token-stdin', '--org', 'acme']
    const { code, output } = await world.atoll(args, { input: 'atoll_setup_wrong', allowFailure: true })
    expect({ code, output }).toMatchObject({ code: 4, output: expect.stringContaining('setup_refused') })
  })

  it('makes the first org, once', async () => {
    const input = await readFile(join(world.planeData, 'setup-token'), 'utf8')
    setupToken = input
    const args = ['login', '--url', world.url, '--setup-token-stdin', '--org', 'acme']
    expect((await world.atoll(args, { input })).output).toContain('as org acme')
    expect((await world.atoll(args, { input, allowFailure: true })).code).toBe(6)
    expect(await world.atollJson(['whoami'])).toMatchObject({ org: 'acme', token: { role: 'owner' } })
  })
})

describe('meshes', () => {
  it('are made, shown, changed', async () => {
    await world.atoll(['mesh', 'create', 'demo', '--trust-domain', 'demo.example'])
    await world.atoll(['mesh', 'set', '--outbound-policy', 'registry-only'])
    expect(await world.atollJson(['mesh', 'show'])).toMatchObject({
      name: 'demo',
      revision: 0,
      settings: {
        trustDomain: 'demo.example',
        meshConfig: { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } },
        inboundMtls: 'strict',
      },
    })
    const settings = await write('mesh-config.yaml', 'enableTracing: true')
    expect((await world.atoll(['mesh', 'set', '--mesh-config', settings])).output).toMatch(
      /warning \(ineffective\) .*mesh-config.yaml:1 MeshConfig demo enableTracing: nothing follows from it/,
    )
    expect(await world.atollJson(['mesh', 'show'])).toMatchObject({ settings: { meshConfig: { enableTracing: true } } })
    expect((await world.atoll(['mesh', 'show'])).stdout).toMatch(/Outbound policy +ALLOW_ANY/)
    await world.atoll(['mesh', 'set', '--outbound-policy', 'registry-only'])
    expect((await failing('mesh', 'create', 'demo')).code).toBe(6)
    expect((await failing('mesh', 'show', 'nope')).code).toBe(5)
  })

  it('have a root that holds', async () => {
    expect((await world.atoll(['trust', 'verify'])).output).toMatch(/root .*sound/)
  })
})

describe('configuration', () => {
  it('is applied as one revision, or not at all', async () => {
    const good = await write('good.yaml', `${serviceEntry}---\n${virtualService('reviews', '5s')}`)
    const bad = await write('bad.yaml', virtualService('ratings', '5s').replace('timeout', 'tiemout'))
    const { code, output } = await failing('apply', '-f', good, '-f', bad)
    expect(code).toBe(7)
    expect(output).toMatch(
      new RegExp(`error \\(unknown_field\\) ${bad}:\\d+ VirtualService default/ratings .*did you mean "timeout"`),
    )
    expect((await world.atoll(['get', '-o', 'name'])).stdout).toBe('')

    const again = await write('again.yaml', `---\n${virtualService('reviews', '6s')}`)
    expect((await failing('apply', '-f', good, '-f', again)).output).toMatch(
      new RegExp(`error \\(duplicate\\) ${again}:2 VirtualService default/reviews: is in ${good}:\\d+ already`),
    )

    expect((await world.atoll(['apply', '-f', good, '--dry-run'])).stdout).toContain('Dry run on revision 0: 2 created')
    expect((await world.atoll(['apply', '-f', good])).stdout).toContain('Revision 1: 2 created')
    expect((await world.atoll(['apply', '-f', good])).stdout).toContain('Nothing changed; the newest revision is 1')
  })

  it('is compared before it is applied', async () => {
    const changed = await write('changed.yaml', virtualService('reviews', '9s'))
    const { code, stdout, output } = await failing('diff', '-f', changed, '--exit-code')
    expect(code).toBe(3)
    expect(output).toMatch(/^There are differences$/m)
    expect(stdout).toMatch(/^- +timeout: 5s$/m)
    expect(stdout).toMatch(/^\+ +timeout: 9s$/m)
    expect(stdout).not.toContain('creationTimestamp')
  })

  it('is refused when somebody else was faster', async () => {
    const changed = join(folder, 'changed.yaml')
    expect((await failing('apply', '-f', changed, '--if-revision', '0')).code).toBe(6)
    expect((await world.atoll(['apply', '-f', changed, '--if-revision', '1'])).stdout).toContain(
      'Revision 2: 1 updated',
    )
  })

  it('is live at once where there is no proxy', async () => {
    const file = await write('again.yaml', virtualService('reviews', '10s'))
    expect((await world.atoll(['apply', '-f', file, '--wait'])).stdout).toContain(
      'revision 3 waits for a first cluster: none has joined yet',
    )
  })

  it('comes back as it can be applied again', async () => {
    const { stdout } = await world.atoll(['get', '-o', 'yaml'])
    const backup = await write('backup.yaml', stdout)
    expect((await world.atoll(['apply', '-f', backup])).stdout).toContain('Nothing changed')
    expect((await world.atoll(['get', 'vs', 'reviews'])).stdout).toMatch(/VirtualService +default +reviews +3/)
    expect((await failing('get', 'vs', 'nope')).code).toBe(5)
  })

  it('is deleted, listed, compared and rolled back by revision', async () => {
    expect((await world.atoll(['delete', 'VirtualService/default/reviews'])).stdout).toContain('Revision 4: 1 deleted')
    expect((await failing('delete', 'vs', 'reviews')).code).toBe(5)
    expect((await world.atoll(['revision', 'diff', '4'])).stdout).toContain('VirtualService/default/reviews deleted')
    const rolledBack = await world.atoll(['revision', 'rollback', '1'])
    expect(rolledBack.stdout).toContain('Revision 5: 1 created')
    expect((await world.atoll(['revision', 'diff', '5', '--against', '1'])).stdout).not.toMatch(
      /^[-+] +(hosts|http|timeout)/m,
    )
    expect((await world.atoll(['revision', 'list', '-o', 'name'])).stdout.trim().split('\n')).toEqual([
      '5',
      '4',
      '3',
      '2',
      '1',
    ])
    expect(await world.atollJson(['revision', 'show', '5'])).toMatchObject({
      operation: 'rollback',
      rollbackTo: 1,
      delivery: { complete: true },
    })
  })
})

describe('clusters', () => {
  it('are given a token and the files of their agent', async () => {
    const data = join(folder, 'east')
    const join_ = ['cluster', 'join', 'east', '--network', 'net-east', '--data', data]
    const { output } = await world.atoll([...join_, '--xds-address', '127.0.0.1:15010'])
    expect(output).toContain(`atoll-agent run --config ${join(data, 'agent.yaml')}`)
    expect(output).not.toContain('atoll_join_')
    const secret = await readFile(join(data, 'join-token'), 'utf8')
    expect(secret).toMatch(/^atoll_join_\w+/)
    expect((await stat(join(data, 'join-token'))).mode & 0o777).toBe(0o600)
    expect((await failing(...join_)).code).toBe(6)
  })

  it('are not in sync before their agent has come', async () => {
    const { code, output } = await failing(
      'cluster',
      'join',
      'west',
      '--network',
      'net-west',
      '--wait',
      '--timeout',
      '1s',
    )
    expect(code).toBe(3)
    expect(output).toContain('it has not joined yet')
  })
})

describe('tokens', () => {
  it('can do what their role and scope say, until they are revoked', async () => {
    const file = join(folder, 'viewer-token')
    const made = await world.atollJson<{ id: string }>([
      'token',
      'create',
      '--role',
      'viewer',
      '--name',
      'looks',
      '--out',
      file,
    ])
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    const secret = (await readFile(file, 'utf8')).trim()
    const viewer = ['login', '--profile', 'viewer', '--url', world.url, '--token-stdin']
    await world.atoll(viewer, { input: secret })
    expect((await failing('mesh', 'show', '--profile', 'viewer')).code).toBe(0)
    const changed = join(folder, 'changed.yaml')
    expect((await failing('apply', '-f', changed, '--profile', 'viewer')).code).toBe(4)
    await world.atoll(['token', 'revoke', made.id, '--profile', 'default'])
    expect((await failing('mesh', 'show', '--profile', 'viewer')).code).toBe(4)
  })

  it('leave a trace of what was done, and none of their secrets', async () => {
    const { stdout } = await world.atoll(['audit', '-o', 'json', '--profile', 'default'])
    const { items } = JSON.parse(stdout) as { items: { action: string }[] }
    expect(items.map(({ action }) => action)).toEqual(expect.arrayContaining(['configuration.apply', 'mesh.create']))
    const ofOrg = await world.atoll(['audit', '--org', '--profile', 'default'])
    expect(ofOrg.stdout).toMatch(/token owner +token\.revoke/)
    const secret = (await readFile(join(folder, 'viewer-token'), 'utf8')).trim()
    for (const text of [stdout, world.plane?.log() ?? '']) expect(text).not.toContain(secret)
  })

  it('are a chain that is verified here, against a head that was kept, also from a file without a plane', async () => {
    const audit = (...args: string[]) => failing('audit', ...args, '--profile', 'default')
    const verified = await audit('verify')
    expect(verified).toMatchObject({ code: 0, output: expect.stringContaining('Keep this head') as string })
    const [head = ''] = /\d+:v1\.[0-9a-f]{64}/.exec(verified.output) ?? []
    expect((await audit('verify', '--since-head', head)).code).toBe(0)
    const other = head.replace(/.$/, (digit) => (digit === '0' ? '1' : '0'))
    expect(await audit('verify', '--since-head', other)).toMatchObject({
      code: 1,
      output: expect.stringContaining('is not the one that you kept') as string,
    })
    expect((await audit('verify', '--since-head', 'yesterday')).code).toBe(2)
    expect((await audit('verify', '--org')).output).toMatch(/events of the org, from 1 to/)

    const { stdout: exported } = await world.atoll(['audit', 'export', '-o', 'jsonl', '--profile', 'default'])
    const lines = exported.trimEnd().split('\n')
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ kind: 'atoll-audit', chain: { anchor: { sequence: 0 } } })
    const verifyFile = async (content: readonly string[], ...args: string[]) => {
      const file = await write('audit.jsonl', `${content.join('\n')}\n`)
      return failing('audit', 'verify', '--file', file, '--url', 'http://127.0.0.1:1', ...args)
    }
    expect(await verifyFile(lines, '--since-head', head)).toMatchObject({ code: 0 })
    const changed = lines.map((line, index) => (index === 3 ? line.replace('"done"', '"refused"') : line))
    const [header = '', first = '', second = '', ...rest] = lines
    const tampered: [content: string[], told: string][] = [
      [changed, 'event 3 was changed'],
      [[header, first, ...rest], 'event 2 is missing'],
      [[header, second, first, ...rest], 'event 1 stands behind a later one'],
      [lines.slice(0, -1), `event ${lines.length - 1} is missing`],
      [[header, first, second], `events 3 to ${lines.length - 1} are missing`],
    ]
    for (const [content, told] of tampered)
      expect.soft(await verifyFile(content)).toMatchObject({ code: 1, output: expect.stringContaining(told) as string })
    expect((await verifyFile([first])).output).toContain('line 1: this is no export of an audit log')
    expect((await verifyFile([header, '{}'])).output).toContain('line 2: this is no audit event')
    const ofOrg = await world.atoll(['audit', 'export', '--org', '--profile', 'default'])
    expect((await verifyFile(ofOrg.stdout.trimEnd().split('\n'))).code).toBe(0)
  })
})

describe('the org', () => {
  it('is deleted by its name, once it has no meshes, and another can be set up', async () => {
    await world.atoll(['logout', '--profile', 'viewer'])
    expect((await failing('org', 'delete', 'acme')).output).toContain('Say --yes')
    expect((await failing('org', 'delete', 'acne', '--yes')).output).toContain('the org is called acme')
    expect(await failing('org', 'delete', 'acme', '--yes')).toMatchObject({
      code: 6,
      output: expect.stringContaining("delete the org's meshes first: demo") as string,
    })
    await world.atoll(['mesh', 'delete', 'demo', '--yes'])
    expect((await world.atoll(['org', 'delete', 'acme', '--yes'])).stdout).toBe('Org acme is gone')
    expect((await failing('whoami')).output).toContain('not signed in')
    const login = ['login', '--url', world.url, '--setup-token-stdin', '--org', 'second']
    expect((await world.atoll(login, { input: setupToken })).output).toContain('as org second')
    expect((await world.atoll(['mesh', 'list'])).output).toContain('There is no mesh yet')
  })
})

describe('without the plane', () => {
  it('says so, with its own exit code', async () => {
    await world.plane?.stop()
    const { code, output } = await failing('mesh', 'list', '--profile', 'default')
    expect(code).toBe(8)
    expect(output).toContain('unreachable')
  })

  it('still analyzes', async () => {
    expect((await failing('analyze', '-f', join(folder, 'good.yaml'))).code).toBe(0)
    expect((await failing('analyze', '-f', join(folder, 'bad.yaml'))).code).toBe(1)
  })
})
