import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pino } from 'pino'
import { describe, expect, onTestFinished, test } from 'vitest'
import { systemClock } from '#agent/clock.ts'
import type { RegistryBatch } from '#agent/registry/registry.ts'
import { UniversalRegistry } from '#agent/registry/universal/universal-registry.ts'
import { clusterName, networkName } from '#mesh/names.ts'
import { untilHolds } from '../until-holds.ts'
import { temporaryDirectory } from '../temporary-directory.ts'

const serviceYaml = (name: string, namespace = 'shop'): string => `apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: ${namespace} }
spec:
  selector: { app: ${name} }
  ports: [{ name: http, port: 80, targetPort: 8080 }]
`

const workloadYaml = (
  name: string,
  app: string,
  address: string,
  labels = '',
): string => `apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: ${name}, namespace: shop }
spec:
  address: ${address}
  serviceAccount: ${app}
  labels: { app: ${app}${labels} }
`

const key = (name: string, namespace = 'shop', suffix = 'cluster.local'): string =>
  `${namespace}/${name}.${namespace}.svc.${suffix}`

/** A registry over a new directory, with what it has said so far put together. */
const openRegistry = (files: Readonly<Record<string, string>> = {}, directory = temporaryDirectory()) => {
  for (const [name, text] of Object.entries(files)) write(directory, name, text)
  const registry = new UniversalRegistry({
    directory,
    cluster: clusterName.parse('east'),
    network: networkName.parse('net-east'),
    domainSuffix: 'cluster.local',
    clock: systemClock,
    log: pino({ level: 'silent' }),
  })
  onTestFinished(() => registry.stop())
  const batches: RegistryBatch[] = []
  /** Service key → addresses of its endpoints. */
  const services = new Map<string, string[]>()
  const state: { gateways: unknown; namespaces: unknown } = { gateways: undefined, namespaces: undefined }
  const configuration = new Set<string>()
  registry.start((batch) => {
    batches.push(batch)
    if (batch.gateways) state.gateways = batch.gateways
    if (batch.namespaces) state.namespaces = batch.namespaces
    for (const change of batch.changes) {
      if (change.kind === 'catalog' && change.value)
        services.set(
          change.service,
          change.value.endpoints.map(({ address }) => address),
        )
      else if (change.kind === 'catalog') services.delete(change.service)
      else if (change.kind === 'config' && change.value) configuration.add(change.key)
      else if (change.kind === 'config') configuration.delete(change.key)
    }
  })
  return { directory, registry, batches, services, state, configuration }
}

const write = (directory: string, name: string, text: string): void => {
  mkdirSync(dirname(join(directory, name)), { recursive: true })
  writeFileSync(join(directory, name), text)
}

/** As a deployment tool does it: beside the directory, then renamed into it. */
const rename = (directory: string, name: string, text: string): void => {
  const aside = mkdtempSync(join(tmpdir(), 'atoll-aside-'))
  writeFileSync(join(aside, 'file'), text)
  renameSync(join(aside, 'file'), join(directory, name))
  rmSync(aside, { recursive: true })
}

/** Root reads everything: who is root becomes nobody for a while. */
const withoutPrivileges = (without: boolean): void => {
  if (process.getuid?.() === 0) process.seteuid?.(without ? 65_534 : 0)
}

const messages = (registry: UniversalRegistry): string[] =>
  registry.problems().map(({ source, problem }) => `${source}: ${problem.code}`)

describe('the universal registry', () => {
  test('says everything in its first batch, from files at any depth, YAML and JSON', async () => {
    const { registry, batches, services, state } = openRegistry({
      'a/b/reviews.yaml': serviceYaml('reviews'),
      'workloads.yml': `${workloadYaml('reviews-1', 'reviews', '10.0.0.1')}---\n${workloadYaml('reviews-2', 'reviews', '10.0.0.2')}`,
      'ratings.json': JSON.stringify({
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'ratings', namespace: 'other' },
        spec: { selector: { app: 'ratings' }, ports: [{ name: 'http', port: 80 }] },
      }),
      'gateway.yaml': workloadYaml('gateway', 'gateway', '10.0.0.9', ', atoll.dev/role: east-west-gateway'),
      'notes.txt': 'not for us',
      '.hidden.yaml': 'nor: this',
    })
    await registry.synced
    expect(batches).toHaveLength(1)
    expect(services).toEqual(
      new Map([
        [key('ratings', 'other'), []],
        [key('reviews'), ['10.0.0.1', '10.0.0.2']],
      ]),
    )
    expect(state).toEqual({ gateways: [{ address: '10.0.0.9', port: 15_443 }], namespaces: ['other', 'shop'] })
    expect(messages(registry)).toEqual([])
  })

  test('an empty directory is a registry with nothing in it', async () => {
    const { registry, batches } = openRegistry()
    await registry.synced
    expect(batches).toEqual([{ changes: [], gateways: [], namespaces: [] }])
  })

  test('takes new files, changed ones and ones in new folders, however they are written', async () => {
    const { directory, registry, services } = openRegistry({ 'reviews.yaml': serviceYaml('reviews') })
    await registry.synced
    rename(directory, 'one.yaml', workloadYaml('one', 'reviews', '10.0.0.1'))
    await untilHolds(() => expect(services.get(key('reviews'))).toEqual(['10.0.0.1']))
    write(directory, 'one.yaml', workloadYaml('one', 'reviews', '10.0.0.7'))
    await untilHolds(() => expect(services.get(key('reviews'))).toEqual(['10.0.0.7']))
    write(directory, 'new/deep/two.yaml', workloadYaml('two', 'reviews', '10.0.0.2'))
    await untilHolds(() => expect(services.get(key('reviews'))).toEqual(['10.0.0.7', '10.0.0.2']))
    write(directory, 'new/deep/two.yaml', workloadYaml('two', 'reviews', '10.0.0.3'))
    await untilHolds(() => expect(services.get(key('reviews'))).toEqual(['10.0.0.7', '10.0.0.3']))
  })

  test('files that go take their objects with them, all in one batch', async () => {
    const names = Array.from({ length: 20 }, (_, index) => `service-${index}`)
    const { directory, registry, services, batches } = openRegistry(
      Object.fromEntries(names.map((name) => [`many/${name}.yaml`, serviceYaml(name)])),
    )
    await registry.synced
    rmSync(join(directory, 'many'), { recursive: true })
    await untilHolds(() => expect(services.size).toBe(0))
    expect(batches).toHaveLength(2)
  })

  test('a file that is removed and written again at once was never gone', async () => {
    const { directory, registry, services, batches } = openRegistry({ 'reviews.yaml': serviceYaml('reviews') })
    await registry.synced
    rmSync(join(directory, 'reviews.yaml'))
    rename(directory, 'reviews.yaml', serviceYaml('reviews'))
    rename(directory, 'ratings.yaml', serviceYaml('ratings'))
    await untilHolds(() => expect(services.has(key('ratings'))).toBe(true))
    rmSync(join(directory, 'ratings.yaml')) // its end is told after the time that the other had to come back
    await untilHolds(() => expect(services.has(key('ratings'))).toBe(false))
    const removed = batches
      .flatMap(({ changes }) => changes)
      .filter((change) => change.kind === 'catalog' && !change.value)
    expect(removed).toMatchObject([{ service: key('ratings') }])
  })

  test('a file that is written in pieces counts when it is whole', async () => {
    const { directory, registry, services, batches } = openRegistry({ 'reviews.yaml': serviceYaml('reviews') })
    await registry.synced
    const file = join(directory, 'two.yaml')
    writeFileSync(file, workloadYaml('one', 'reviews', '10.0.0.1'))
    appendFileSync(file, '---\n')
    appendFileSync(file, workloadYaml('two', 'reviews', '10.0.0.2'))
    await untilHolds(() => expect(services.get(key('reviews'))).toHaveLength(2))
    expect(batches).toHaveLength(2)
  })

  test('a malformed, truncated or emptied-by-mistake file keeps its last good objects and is named; mended, it counts again', async () => {
    const { directory, registry, services } = openRegistry({
      'reviews.yaml': serviceYaml('reviews'),
      'one.yaml': workloadYaml('one', 'reviews', '10.0.0.1'),
    })
    await registry.synced
    for (const broken of [
      'kind: [',
      workloadYaml('one', 'reviews', '10.0.0.1').slice(0, 60),
      'kind: Unheard\napiVersion: v1\nmetadata: {name: x}\n',
    ]) {
      rename(directory, 'one.yaml', broken)
      await untilHolds(() => expect(registry.problems().some(({ source }) => source === 'one.yaml')).toBe(true))
      expect(services.get(key('reviews'))).toEqual(['10.0.0.1'])
      rename(directory, 'one.yaml', workloadYaml('one', 'reviews', '10.0.0.1'))
      await untilHolds(() => expect(messages(registry)).toEqual([]))
    }
  })

  test('an object that two files hold is the first one’s, the other is named, and takes over when the first goes', async () => {
    const { directory, registry, services } = openRegistry({
      'reviews.yaml': serviceYaml('reviews'),
      'a.yaml': workloadYaml('one', 'reviews', '10.0.0.1'),
      'b.yaml': workloadYaml('one', 'reviews', '10.0.0.2'),
    })
    await registry.synced
    expect(services.get(key('reviews'))).toEqual(['10.0.0.1'])
    expect(messages(registry)).toEqual(['b.yaml: duplicate'])
    rmSync(join(directory, 'a.yaml'))
    await untilHolds(() => expect(services.get(key('reviews'))).toEqual(['10.0.0.2']))
    expect(messages(registry)).toEqual([])
  })

  test('a directory that is not there yet is waited for; one that goes away takes nothing', async () => {
    const parent = temporaryDirectory()
    const directory = join(parent, 'registry')
    const { registry, services, batches } = openRegistry({}, directory)
    await untilHolds(() => expect(messages(registry)).toEqual([`${directory}: syntax`]))
    expect(batches).toEqual([])
    write(parent, 'prepared/reviews.yaml', serviceYaml('reviews'))
    renameSync(join(parent, 'prepared'), directory)
    await registry.synced
    expect([...services.keys()]).toEqual([key('reviews')])
    renameSync(directory, join(parent, 'elsewhere'))
    write(parent, 'elsewhere/ratings.yaml', serviceYaml('ratings'))
    rmSync(join(parent, 'elsewhere/reviews.yaml'))
    await untilHolds(() => expect(messages(registry)).toEqual([`${directory}: syntax`]))
    expect([...services.keys()]).toEqual([key('reviews')])
    renameSync(join(parent, 'elsewhere'), directory)
    await untilHolds(() => expect([...services.keys()]).toEqual([key('ratings')]))
  })

  test('a folder that can’t be read is named, and what it last held goes on', async () => {
    const directory = temporaryDirectory()
    chmodSync(directory, 0o755)
    write(directory, 'ratings.yaml', serviceYaml('ratings'))
    for (const team of ['one', 'two']) write(directory, `${team}/service.yaml`, serviceYaml(team))
    const allow = (team: string, mode: number): void => {
      withoutPrivileges(false)
      chmodSync(join(directory, team), mode)
      withoutPrivileges(true)
    }
    onTestFinished(() => withoutPrivileges(false))
    allow('one', 0)
    const { registry, services } = openRegistry({}, directory)
    await registry.synced
    expect(messages(registry)).toEqual(['one: syntax'])
    expect([...services.keys()]).toEqual([key('ratings'), key('two')])
    allow('two', 0)
    await untilHolds(() => expect(messages(registry)).toEqual(['one: syntax', 'two: syntax']))
    allow('one', 0o755)
    await untilHolds(() =>
      expect([...services.keys()].toSorted()).toEqual(['one', 'ratings', 'two'].map((name) => key(name))),
    )
    expect(messages(registry)).toEqual(['two: syntax'])
    withoutPrivileges(false)
    rmSync(join(directory, 'two'), { recursive: true })
    await untilHolds(() => expect([...services.keys()].toSorted()).toEqual([key('one'), key('ratings')]))
    expect(messages(registry)).toEqual([])
  })

  test('a mounted ConfigMap is followed from one version to the next', async () => {
    const directory = temporaryDirectory()
    write(directory, '..v1/reviews.yaml', serviceYaml('reviews'))
    symlinkSync('..v1', join(directory, '..data'))
    symlinkSync('..data/reviews.yaml', join(directory, 'reviews.yaml'))
    const { registry, services } = openRegistry({}, directory)
    await registry.synced
    write(directory, '..v2/reviews.yaml', serviceYaml('ratings'))
    symlinkSync('..v2', join(directory, '..data-next'))
    renameSync(join(directory, '..data-next'), join(directory, '..data'))
    await untilHolds(() => expect([...services.keys()]).toEqual([key('ratings')]))
  })

  test('configuration objects are the cluster’s own, and Services are named by the mesh’s domain', async () => {
    const { directory, registry, services, configuration } = openRegistry({ 'reviews.yaml': serviceYaml('reviews') })
    await registry.synced
    const route = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: reviews, namespace: shop }
spec: { hosts: [reviews], http: [{ route: [{ destination: { host: reviews } }] }] }
`
    rename(directory, 'route.yaml', route)
    await untilHolds(() => expect([...configuration]).toEqual(['VirtualService/shop/reviews']))
    registry.setDomainSuffix('mesh.example')
    expect([...services.keys()]).toEqual([key('reviews', 'shop', 'mesh.example')])
    rmSync(join(directory, 'route.yaml'))
    await untilHolds(() => expect([...configuration]).toEqual([]))
  })
})
