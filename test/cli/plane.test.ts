import { execFileSync } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Child, eventually } from '#test/harness/child.ts'
import { freePort, toPlaneProgram, World } from '#test/harness/world.ts'

let folder: string
let world: World
/** Before anybody signs in: then the set-up token goes. */
let fresh: { readonly modes: readonly number[]; readonly setupToken: string }
const inData = (name: string): string => join(world.planeData, name)
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'atoll-plane-'))
  world = await World.create(folder)
  await world.startPlane()
  fresh = {
    modes: await Promise.all(
      ['secrets.json', 'setup-token'].map(async (name) => (await stat(inData(name))).mode & 0o777),
    ),
    setupToken: (await readFile(inData('setup-token'), 'utf8')).trim(),
  }
  await world.signIn()
  await applyReviews('5s')
})
afterAll(async () => {
  await world.stop()
  await rm(folder, { recursive: true, force: true })
})

const applyReviews = async (timeout: string) => {
  const file = join(folder, 'reviews.yaml')
  const spec = `spec: {hosts: [reviews], http: [{timeout: ${timeout}, route: [{destination: {host: reviews}}]}]}`
  await writeFile(
    file,
    `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: reviews, namespace: default}\n${spec}\n`,
  )
  await world.atoll(['apply', '-f', file])
}

interface Mesh {
  revision: number
}
const showMesh = () => world.atollJson<Mesh>(['mesh', 'show'])

const childrenOf = (pid: number): number[] =>
  execFileSync('ps', ['-e', '-o', 'pid=,ppid='], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .flatMap(([child, parent]) => (child !== undefined && parent === pid ? [child] : []))

/** The plane's host process and the runtime that it runs. */
const processes = async (plane: Child): Promise<{ host: number; runtime: number }> =>
  eventually('the plane has a host and a runtime', () => {
    const [host] = childrenOf(plane.pid)
    const [runtime] = host === undefined ? [] : childrenOf(host)
    return host !== undefined && runtime !== undefined && { host, runtime }
  })

const isRunning = (pid: number): boolean => {
  const state = execFileSync('sh', ['-c', `ps -o stat= -p ${pid} || true`], { encoding: 'utf8' }).trim()
  return state !== '' && !state.startsWith('Z')
}

const plane = (): Child => {
  if (world.plane === undefined) throw new Error('the plane is not running')
  return world.plane
}

describe('atoll plane serve', () => {
  it('keeps its secrets to its owner, and forgets the set-up token once it is used', async () => {
    expect(fresh.modes).toEqual([0o600, 0o600])
    expect(fresh.setupToken).toMatch(/^atoll_/)
    expect(plane().log()).not.toContain(fresh.setupToken)
    await eventually('the set-up token is gone', async () => !(await readdir(world.planeData)).includes('setup-token'))
  })

  it('serves a folder once', async () => {
    const { code, output } = await world.atoll(
      ['plane', 'serve', '--data', world.planeData, '--port', String(await freePort())],
      {
        allowFailure: true,
      },
    )
    expect(code).toBe(6)
    expect(output).toContain('is served already')
  })

  it('says what keeps it from starting', async () => {
    const { code, output } = await world.atoll(
      ['plane', 'serve', '--data', join(folder, 'other'), '--port', String(world.port)],
      { allowFailure: true },
    )
    expect(code).toBe(1)
    expect(output).toMatch(/in use/i)
    // It is said at once: nothing was tried, and nothing made.
    expect(output).not.toContain('started again')
    expect(await readdir(folder)).not.toContain('other')
  })

  it('never fails a request, however early it comes', async () => {
    const port = await freePort()
    const statuses = new Set<number>()
    const child = new Child({
      name: 'early',
      ...toPlaneProgram({ data: join(folder, 'early'), host: '127.0.0.1', port }),
    })
    let isReady = false
    const ready = child.waitForLine(/is ready/).finally(() => (isReady = true))
    const ask = async () => {
      const signal = AbortSignal.timeout(5_000)
      const answer = await fetch(`http://127.0.0.1:${port}/healthz`, { signal }).catch(() => undefined)
      if (answer) statuses.add(answer.status)
    }
    // Again and again, from before the port is open.
    while (!isReady) await Promise.all([ask(), setTimeout(10)])
    await ready
    await ask()
    expect([...statuses]).toEqual([200])
    await child.stop()
  })

  it('comes back with its data when the runtime or its host is killed, and says so', async () => {
    const before = await showMesh()
    const first = await processes(plane())
    process.kill(first.runtime, 'SIGKILL')
    await plane().waitForLine(/The runtime crashed and was started again/)
    expect(await showMesh()).toEqual(before)

    process.kill(first.host, 'SIGKILL')
    await plane().waitForLine(/The plane answers again/)
    expect(await showMesh()).toEqual(before)
    expect((await processes(plane())).host).not.toBe(first.host)
  })

  it('leaves no process behind when it is killed', async () => {
    const { host, runtime } = await processes(plane())
    await plane().kill()
    await eventually('the host is gone', () => !isRunning(host))
    expect(isRunning(runtime)).toBe(false)
    await world.startPlane()
  })

  it('ends in order, with 0', async () => {
    const { runtime } = await processes(plane())
    plane().signal('SIGTERM')
    expect(await plane().exited()).toBe(0)
    expect(isRunning(runtime)).toBe(false)
    await world.startPlane()
  })

  it('says where it is as JSON', async () => {
    const port = await freePort()
    const { command, args } = toPlaneProgram({ data: join(folder, 'json'), host: '127.0.0.1', port })
    const other = new Child({ name: 'plane', command, args: [...args, '-o', 'json'] })
    await eventually('a whole document is printed', () => other.stdout().endsWith('}'))
    expect(JSON.parse(other.stdout())).toEqual({ url: `http://127.0.0.1:${port}`, data: join(folder, 'json') })
    await other.stop()
  })
})

describe('atoll plane backup and restore', () => {
  it('brings back what there was, under a new generation', async () => {
    const archive = join(folder, 'plane.tar')
    await world.atoll(['plane', 'backup', '--data', world.planeData, '--out', archive])
    expect((await stat(archive)).mode & 0o777).toBe(0o600)
    const before = await showMesh()
    await applyReviews('9s')
    expect((await showMesh()).revision).toBe(before.revision + 1)

    await plane().stop()
    const restored = join(folder, 'restored')
    await world.atoll(['plane', 'restore', archive, '--data', restored])
    const generation = async (data: string) =>
      (JSON.parse(await readFile(join(data, 'secrets.json'), 'utf8')) as { generation: string }).generation
    expect(await generation(restored)).not.toBe(await generation(world.planeData))

    const second = new Child({
      name: 'restored plane',
      command: process.execPath,
      args: [
        join(import.meta.dirname, '../../cli/main.ts'),
        'plane',
        'serve',
        '--data',
        restored,
        '--port',
        String(world.port),
      ],
    })
    await second.waitForLine(/is ready/)
    expect(await showMesh()).toEqual(before)
    expect((await world.atoll(['get', 'vs', 'reviews', '-o', 'yaml'])).stdout).toContain('timeout: 5s')
    await applyReviews('7s')
    expect((await world.atoll(['trust', 'verify'])).code).toBe(0)
    await second.stop()
    await world.startPlane()
  })

  it('is whole while configuration is being written', async () => {
    const archive = join(folder, 'busy.tar')
    let busy = true
    const writes = (async () => {
      for (let seconds = 10; busy; seconds++) await applyReviews(`${seconds}s`)
    })()
    await world.atoll(['plane', 'backup', '--data', world.planeData, '--out', archive])
    busy = false
    await writes
    const restored = join(folder, 'busy')
    await world.atoll(['plane', 'restore', archive, '--data', restored])
    const files = await readdir(join(restored, 'state/do/atoll-Mesh'))
    const [mesh = ''] = files.filter((name) => /^[0-9a-f]+\.sqlite$/.test(name))
    const database = new DatabaseSync(join(restored, 'state/do/atoll-Mesh', mesh))
    expect(database.prepare('PRAGMA integrity_check').get()).toMatchObject({ integrity_check: 'ok' })
    const head = database.prepare('SELECT revision FROM mesh').get()
    expect(database.prepare('SELECT max(revision) AS revision FROM objects').get()).toEqual(head)
    database.close()
  })

  it.each([
    ['a folder that is not empty', async (archive: string) => [archive, world.planeData], 6, /is not empty/],
    [
      'a changed archive',
      async (archive: string) => {
        const bytes = await readFile(archive)
        const changed = join(folder, `changed.tar`)
        bytes[bytes.length - 2000] = (bytes[bytes.length - 2000] ?? 0) ^ 1
        await writeFile(changed, bytes)
        return [changed, join(folder, 'from-changed')]
      },
      1,
      /checksum is wrong/,
    ],
    [
      'an archive that is cut off',
      async (archive: string) => {
        const bytes = await readFile(archive)
        await writeFile(join(folder, 'short.tar'), bytes.subarray(0, bytes.length / 2))
        return [join(folder, 'short.tar'), join(folder, 'from-short')]
      },
      1,
      /cannot be restored/,
    ],
    [
      'what is no archive',
      async () => {
        await writeFile(join(folder, 'text.tar'), 'x'.repeat(5000))
        return [join(folder, 'text.tar'), join(folder, 'from-text')]
      },
      1,
      /not an archive of a plane/,
    ],
  ])('refuses %s, and leaves nothing', async (_, prepare, expectedCode, message) => {
    const archive = join(folder, 'plane.tar')
    const [file = '', data = ''] = await prepare(archive)
    const before = await readdir(folder)
    const { code, output } = await world.atoll(['plane', 'restore', file, '--data', data], { allowFailure: true })
    expect({ code, output }).toEqual({ code: expectedCode, output: expect.stringMatching(message) })
    expect(await readdir(folder)).toEqual(before)
  })
})
