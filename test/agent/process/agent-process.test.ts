import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parse } from 'yaml'
import { objectKeyOf, type ConfigObject } from '#mesh/config-object.ts'
import { toAgentDnsName } from '#mesh/identity.ts'
import { clusterName, trustDomain } from '#mesh/names.ts'
import { stateKeys } from '#mesh/state.ts'
import { Child } from '#test/harness/child.ts'
import { freePort } from '#test/harness/world.ts'
import { catalogItem, configChange, configKey } from '../state-items.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { domain } from '../test-pki.ts'
import { untilHolds } from '../until-holds.ts'
import { EdsClient } from './eds-client.ts'
import { joinToken, TestPlane } from './test-plane.ts'

const main = join(import.meta.dirname, '../../../agent/main.ts')
const serverName = toAgentDnsName(clusterName.parse('east'), trustDomain.parse(domain))

/** What an agent knows is on its disk when it has stopped by itself. */
const stopPatienceMilliseconds = 60_000

const service = (name: string): string => `apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: shop }
spec:
  selector: { app: ${name} }
  ports: [{ name: http, port: 80, targetPort: 8080 }]
`

const workload = (name: string, app: string, address: string): string => `apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: ${name}, namespace: shop }
spec:
  address: ${address}
  serviceAccount: ${app}
  labels: { app: ${app} }
`

const rule = `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: outside, namespace: shop }
spec:
  host: outside.example
  workloadSelector: { matchLabels: { app: frontend } }
  trafficPolicy: { tls: { mode: SIMPLE, credentialName: named } }
`

const peers = (name: string, mode: string): string => `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: ${name}, namespace: shop }
spec: { mtls: { mode: ${mode} } }
`

/** A plane, a registry and a place for an agent of cluster east. */
const createEast = async () => {
  const directory = temporaryDirectory()
  const plane = await TestPlane.start()
  onTestFinished(() => plane.stop().catch(() => {}))
  const [xdsPort, httpPort] = [await freePort(), await freePort()]
  const registry = join(directory, 'registry')
  mkdirSync(registry)
  mkdirSync(join(directory, 'secrets'))
  writeFileSync(join(directory, 'join-token'), `${joinToken}\n`)
  const config = join(directory, 'agent.yaml')
  writeFileSync(
    config,
    JSON.stringify({
      plane: plane.url,
      directory: 'registry',
      secrets: 'secrets',
      xdsAddress: `127.0.0.1:${xdsPort}`,
      httpAddress: `127.0.0.1:${httpPort}`,
      joinTokenFile: 'join-token',
    }),
  )
  const write = (name: string, text: string): void => {
    writeFileSync(join(directory, 'aside'), text)
    renameSync(join(directory, 'aside'), join(registry, name))
  }
  const start = (...args: string[]): Child => {
    const agent = new Child({
      name: 'agent',
      command: process.execPath,
      args: [main, 'run', '--config', config, ...args],
    })
    onTestFinished(() => agent.kill())
    return agent
  }
  const startServing = async (): Promise<Child> => {
    const agent = start()
    await agent.waitForLine(/xds serving/)
    return agent
  }
  const connect = (token: string): EdsClient => {
    const client = new EdsClient(`127.0.0.1:${xdsPort}`, plane.root.pem, serverName, token)
    onTestFinished(() => client.close())
    return client
  }
  write('reviews.yaml', service('reviews'))
  write('reviews-1.yaml', workload('reviews-1', 'reviews', '10.0.0.1'))
  write('frontend.yaml', workload('frontend', 'frontend', '10.0.0.9'))
  const get = (path: string) => httpGet(httpPort, path)
  return { directory, registry, plane, write, start, startServing, connect, get }
}

const httpGet = (port: number, path: string): Promise<{ status: number; text: string }> =>
  new Promise((resolve, reject) => {
    const call = request({ host: '127.0.0.1', port, path }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }))
    })
    call.on('error', reject)
    call.end()
  })

const reported = (plane: TestPlane): string[] =>
  [...plane.model.row('east').catalog.values()]
    .flatMap(({ endpoints }) => endpoints.map(({ address }) => address))
    .toSorted()

describe('the agent', () => {
  test('joins, reports its registry, and a changed file reaches its proxies', async () => {
    const { plane, write, startServing, connect, get, registry } = await createEast()
    const agent = await startServing()
    const token = plane.createMachineToken('frontend')
    await untilHolds(() => expect(reported(plane)).toEqual(['10.0.0.1']))
    const proxy = connect(token)
    await untilHolds(() => expect(proxy.addresses('reviews')).toEqual(['10.0.0.1']))
    write('reviews-2.yaml', workload('reviews-2', 'reviews', '10.0.0.2'))
    await untilHolds(() => expect(proxy.addresses('reviews')).toEqual(['10.0.0.1', '10.0.0.2']))
    await untilHolds(() => expect(reported(plane)).toEqual(['10.0.0.1', '10.0.0.2']))
    rmSync(join(registry, 'reviews-1.yaml'))
    await untilHolds(() => expect(proxy.addresses('reviews')).toEqual(['10.0.0.2']))

    expect(JSON.parse((await get('/readyz')).text)).toMatchObject({
      ready: true,
      plane: { live: true, reporting: true, holds: [] },
    })
    expect((await get('/metrics')).text).toMatch(/^atoll_agent_proxies 1$/m)
    expect((await get('/healthz')).status).toBe(200)
    expect((await get('/else')).status).toBe(404)
    expect(agent.log()).not.toContain(joinToken)
    await agent.stop()
    expect(agent.exitCode).toBe(0)
    expect(plane.joins).toBe(1)
  })

  test('tells the plane which ports take plaintext, by its own objects and by those of the mesh', async () => {
    const { plane, write, startServing, registry } = await createEast()
    await startServing()
    const marks = () =>
      [...plane.model.row('east').catalog.values()].flatMap(({ endpoints }) =>
        endpoints.map(({ plaintextPorts }) => plaintextPorts ?? []),
      )
    await untilHolds(() => expect(marks()).toEqual([[]]))
    write('peers.yaml', peers('own', 'DISABLE'))
    await untilHolds(() => expect(marks()).toEqual([[8080]]))
    const value = parse(peers('ofmesh', 'STRICT')) as ConfigObject
    const key = stateKeys.config(objectKeyOf(value))
    plane.model.applyConfiguration([{ key, item: { kind: 'config', value } }])
    await untilHolds(() => expect(marks()).toEqual([[]]))
    plane.model.applyConfiguration([{ key, item: null }])
    await untilHolds(() => expect(marks()).toEqual([[8080]]))
    rmSync(join(registry, 'peers.yaml'))
    await untilHolds(() => expect(marks()).toEqual([[]]))
  })

  test('a sidecar is given the Secret that a rule names which selects it, and no other Secret or sidecar is', async () => {
    const { directory, plane, write, startServing, connect } = await createEast()
    await startServing()
    const secrets = ['named', 'other'].map((name) => ({
      kind: 'Secret',
      metadata: { name, namespace: 'shop' },
      stringData: { cacert: plane.root.pem },
    }))
    writeFileSync(join(directory, 'secrets', 'all.yaml'), secrets.map((each) => JSON.stringify(each)).join('\n---\n'))
    const proxies = ['frontend', 'reviews-1'].map((name) => connect(plane.createMachineToken(name)))
    const [chosen, other] = proxies
    for (const proxy of proxies) {
      await untilHolds(() => expect(proxy.addresses('reviews')).toEqual(['10.0.0.1']))
      proxy.askSecrets('client-authorities/shop/named', 'client-authorities/shop/other')
    }
    write('rule.yaml', rule)
    await untilHolds(() => expect(chosen?.secrets()).toEqual(['client-authorities/shop/named']))
    write('reviews-2.yaml', workload('reviews-2', 'reviews', '10.0.0.2'))
    await untilHolds(() => expect(other?.addresses('reviews')).toEqual(['10.0.0.1', '10.0.0.2']))
    expect(other?.secrets()).toEqual([])
    expect(chosen?.secrets()).toEqual(['client-authorities/shop/named'])
  })

  test('killed and started with the plane away, it serves its last configuration and still follows its registry', async () => {
    const { plane, write, startServing, connect, get } = await createEast()
    const agent = await startServing()
    const token = plane.createMachineToken('frontend')
    // West is on this network here: its endpoints are reached directly.
    const item = catalogItem('west', 'ratings', 2, 'net-east')
    plane.model.applyConfiguration([
      {
        key: stateKeys.cluster('west'),
        item: {
          kind: 'cluster',
          value: { name: clusterName.parse('west'), network: 'net-east' as never, gateways: [], contribution: 'live' },
        },
      },
      { key: stateKeys.catalog('west', 'shop/ratings.shop.svc.cluster.local'), item },
    ])
    const first = connect(token)
    await untilHolds(() => expect(first.addresses('ratings')).toEqual(['127.1.0.1', '127.1.0.2']))
    const { revision } = plane.model.disk
    await agent.kill()
    await plane.stop()

    const again = await startServing()
    const second = connect(token)
    await untilHolds(() => {
      expect(second.addresses('ratings')).toEqual(['127.1.0.1', '127.1.0.2'])
      expect(second.addresses('reviews')).toEqual(['10.0.0.1'])
    })
    write('reviews-2.yaml', workload('reviews-2', 'reviews', '10.0.0.2'))
    await untilHolds(() => expect(second.addresses('reviews')).toEqual(['10.0.0.1', '10.0.0.2']))
    expect(JSON.parse((await get('/readyz')).text)).toMatchObject({ ready: true, plane: { live: false, revision } })

    await plane.startAgain()
    await untilHolds(() => expect(reported(plane)).toEqual(['10.0.0.1', '10.0.0.2']))
    await untilHolds(async () =>
      expect(JSON.parse((await get('/readyz')).text)).toMatchObject({ plane: { live: true } }),
    )
    await again.stop()
  })

  test('a plane that comes back empty takes nothing before a person confirms', async () => {
    const { plane, startServing, get, start } = await createEast()
    const agent = await startServing()
    plane.model.applyConfiguration([configChange('route')])
    const { revision } = plane.model.disk
    const readiness = async () =>
      JSON.parse((await get('/readyz')).text) as { plane: { revision: number; holds: { reason: string }[] } }
    await untilHolds(async () => expect((await readiness()).plane.revision).toBe(revision))
    plane.model.restore(undefined)
    await untilHolds(async () => expect((await readiness()).plane.holds).toMatchObject([{ kind: 'restored-plane' }]))
    await agent.kill()
    const again = start()
    await again.waitForLine(/xds serving/)
    await untilHolds(async () =>
      expect((await readiness()).plane).toMatchObject({ revision, holds: [{ kind: 'restored-plane' }] }),
    )
    await untilHolds(() => expect([...plane.model.sessions].flatMap(({ holds }) => holds)).toHaveLength(1))
    plane.model.confirmAll()
    await untilHolds(async () => expect((await readiness()).plane).toMatchObject({ revision: 0, holds: [] }))
  })

  test('a registry that is emptied takes nothing from proxies or plane before a person confirms, also over restarts', async () => {
    const { plane, write, startServing, connect, get, registry, directory } = await createEast()
    const names = ['reviews-1', 'reviews-2', 'reviews-3']
    const addresses = ['10.0.0.1', '10.0.0.2', '10.0.0.3']
    const fill = () =>
      names.forEach((name, index) => write(`${name}.yaml`, workload(name, 'reviews', `10.0.0.${index + 1}`)))
    const empty = () => names.forEach((name) => rmSync(join(registry, `${name}.yaml`)))
    const holds = async () => (JSON.parse((await get('/readyz')).text) as { plane: { holds: unknown[] } }).plane.holds
    fill()
    const agent = await startServing()
    const token = plane.createMachineToken('frontend')
    const proxy = connect(token)
    await untilHolds(() => expect([proxy.addresses('reviews'), reported(plane)]).toEqual([addresses, addresses]))
    empty()
    await untilHolds(async () => expect(await holds()).toMatchObject([{ kind: 'mass-removal' }]))
    write('ratings.yaml', service('ratings'))
    write('ratings-1.yaml', workload('ratings-1', 'ratings', '10.0.1.1'))
    await untilHolds(() => expect(proxy.addresses('ratings')).toEqual(['10.0.1.1']))
    expect([proxy.addresses('reviews'), reported(plane)]).toEqual([addresses, [...addresses, '10.0.1.1']])
    expect(agent.log()).toContain('held until a person confirms it')
    plane.model.confirmAll()
    await untilHolds(() => expect([proxy.addresses('reviews'), reported(plane)]).toEqual([[], ['10.0.1.1']]))
    expect(await holds()).toEqual([])

    fill()
    await untilHolds(() => expect(proxy.addresses('reviews')).toEqual(addresses))
    await plane.stop()
    empty()
    await untilHolds(async () => expect(await holds()).toMatchObject([{ kind: 'mass-removal' }]))
    expect(proxy.addresses('reviews')).toEqual(addresses)
    await agent.stop(stopPatienceMilliseconds)
    const again = await startServing()
    await untilHolds(async () => expect(await holds()).toMatchObject([{ kind: 'mass-removal' }]))
    const after = connect(token)
    await untilHolds(() =>
      expect([after.addresses('ratings'), after.addresses('reviews')]).toEqual([['10.0.1.1'], addresses]),
    )

    // With no plane to confirm by, a person lets the agent forget.
    await again.stop(stopPatienceMilliseconds)
    rmSync(join(directory, 'registry.snapshot'))
    await startServing()
    const last = connect(token)
    await untilHolds(() => expect([last.addresses('ratings'), last.addresses('reviews')]).toEqual([['10.0.1.1'], []]))
  })

  test('a registry that can not be read after a restart is served as it was, said to be old, and not reported', async () => {
    const { plane, write, startServing, connect, get, registry } = await createEast()
    const agent = await startServing()
    const token = plane.createMachineToken('frontend')
    const first = connect(token)
    await untilHolds(() => expect([first.addresses('reviews'), reported(plane)]).toEqual([['10.0.0.1'], ['10.0.0.1']]))
    await agent.stop(stopPatienceMilliseconds)
    renameSync(registry, `${registry}-away`)
    const again = await startServing()
    expect(again.log()).toContain('what was last known of it is served')
    const proxy = connect(token)
    await untilHolds(() => expect(proxy.addresses('reviews')).toEqual(['10.0.0.1']))
    const readiness = async () => JSON.parse((await get('/readyz')).text) as Record<string, unknown>
    await untilHolds(async () => expect(await readiness()).toMatchObject({ plane: { live: true } }))
    expect(await readiness()).toMatchObject({
      ready: true,
      registry: { synced: false, asOf: expect.any(String) as string },
      plane: { reporting: false },
    })
    const metrics = (await get('/metrics')).text
    expect(metrics).toMatch(/^atoll_agent_registry_synced 0$/m)
    expect(metrics).toMatch(/^atoll_agent_registry_kept_age_seconds \d/m)

    renameSync(`${registry}-away`, registry)
    write('reviews-2.yaml', workload('reviews-2', 'reviews', '10.0.0.2'))
    const both = ['10.0.0.1', '10.0.0.2']
    await untilHolds(() => expect([proxy.addresses('reviews'), reported(plane)]).toEqual([both, both]))
    const { registry: read } = await readiness()
    expect(read).toMatchObject({ synced: true })
    expect(read).not.toHaveProperty('asOf')
  })

  test('killed again and again during a stream of changes, both sides end with the same', async () => {
    const { plane, write, startServing, get, registry } = await createEast()
    let agent = await startServing()
    for (let round = 0; round < 3; round += 1) {
      for (let change = 0; change < 10; change += 1) {
        const name = `reviews-${change}.yaml`
        write(name, workload(`reviews-${change}`, 'reviews', `10.0.${round}.${change}`))
        plane.model.applyConfiguration([
          configChange(`object-${change}`, round),
          { key: configKey(`object-${(change + 5) % 10}`), item: null },
        ])
        if (change === 3 + round) {
          await agent.kill()
          agent = await startServing()
        }
      }
      if (round === 1) plane.model.restart()
    }
    rmSync(join(registry, 'reviews-9.yaml'))
    const expected = Array.from({ length: 9 }, (_, change) => `10.0.2.${change}`)
    await untilHolds(() => expect(reported(plane)).toEqual(expected))
    const { epoch, sequence, revision } = plane.model.disk
    await untilHolds(async () =>
      expect(JSON.parse((await get('/readyz')).text)).toMatchObject({
        plane: { live: true, revision, position: { epoch, sequence } },
      }),
    )
  })

  test('a crash between asking to join and being answered is repeated with the same request', async () => {
    const { plane, startServing, directory } = await createEast()
    await (await startServing()).kill()
    rmSync(join(directory, 'agent.sealed')) // what a crash before the answer was stored leaves: the record as it was before
    writeFileSync(join(directory, 'join-token'), joinToken)
    const agent = await startServing()
    expect(plane.joins).toBe(2)
    await agent.stop()
  })

  test('says with its exit code what it can’t go on with', async () => {
    const { startServing, start, directory } = await createEast()
    expect(await start('--plane', 'http://example.org').exited()).toBe(2)
    writeFileSync(join(directory, 'join-token'), joinToken.replace('secret', 'wrong-'))
    expect(await start().exited()).toBe(3)
    writeFileSync(join(directory, 'join-token'), joinToken)
    await startServing()
    expect(await start('--http-address', '127.0.0.1:0').exited()).toBe(4)
    expect(await start('--data', join(directory, 'other')).exited()).toBe(5)
  })
})
