import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { requestThroughProxy } from '#test/harness/proxy-request.ts'
import type { Echo } from '#test/harness/echo-app.ts'
import {
  clientAddress,
  gatewayAddress,
  get,
  getEcho,
  proxyPort,
  serverAddress,
  stageNetwork,
  Theatre,
} from './theatre.ts'
import type { Stage } from './stage.ts'

const foreignClientAddress = `${stageNetwork}.5`
const gatewayPort = 15443

let theatre: Theatre
beforeAll(async () => {
  theatre = await Theatre.open()
})
afterAll(() => theatre.clear())

/** How many of some requests each application answered; "503" what none did. */
const count = async (
  host: string,
  { requests = 20, from = clientAddress }: { readonly requests?: number; readonly from?: string } = {},
): Promise<Record<string, number>> => {
  const counts: Record<string, number> = {}
  for (let index = 0; index < requests; index++) {
    const { status, body } = await requestThroughProxy({ host: from, port: proxyPort }, `http://${host}/`)
    const name = status === 200 ? (JSON.parse(body) as Echo).app : String(status)
    counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}

const toApps = async (host: string, from = clientAddress): Promise<string[]> =>
  Object.keys(await count(host, { from, requests: 6 })).toSorted()

const toList = (hosts: readonly string[], toText: (host: string) => string): string => hosts.map(toText).join(', ')

/** A DestinationRule for each host. */
const toRules = (policies: Readonly<Record<string, string>>): string =>
  toList(
    Object.keys(policies),
    (
      host,
    ) => `{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: ${host}, namespace: default},
  spec: {host: ${host}, trafficPolicy: ${policies[host]}}}`,
  )

const locality = (setting: string) => `{loadBalancer: {simple: ROUND_ROBIN, localityLbSetting: ${setting}}}`

describe('by locality, without outlier detection', () => {
  const policies: Readonly<Record<string, string>> = {
    untold: '{loadBalancer: {simple: ROUND_ROBIN}}',
    near: locality('{enabled: true}'),
    off: '{loadBalancer: {simple: ROUND_ROBIN, localityLbSetting: {enabled: false}}, outlierDetection: {}}',
    detected: '{loadBalancer: {simple: ROUND_ROBIN}, outlierDetection: {}}',
    successor: locality('{failover: [{from: eu, to: asia}]}'),
    shares: locality('{distribute: [{from: eu/a, to: {"eu/*": 80, us: 20}}]}'),
    'no-shares': locality('{distribute: [{from: africa, to: {us: 100}}]}'),
    'of-team': locality('{failoverPriority: [team]}'),
    'of-gold': locality('{failoverPriority: [team=gold]}'),
    'of-network': locality('{failoverPriority: [topology.istio.io/network, team]}'),
  }
  const all = ['asia', 'near', 'network-2', 'us', 'zone']
  let stage: Stage

  beforeAll(async () => {
    const apps = await Promise.all(['near', 'zone', 'us', 'asia', 'network-2'].map((name) => theatre.startApp(name)))
    const [near, zone, us, asia, far] = apps.map(({ port }) => port)
    const hosts = Object.keys(policies)
    await theatre.start(
      `
about: ''
settings: {meshConfig: {proxyHttpPort: 0}}
clusters: {west: {network: network-2}}
services: [${toList(
        hosts,
        (host) => `{host: ${host}, ports: [http:80], endpoints: {
  server-1: {cluster: west, network: network-2, address: ${serverAddress}, ports: {http: ${far}}}}}`,
      )}]
workloads:
  server-1: {address: ${serverAddress}, network: network-2}
  gateway-1: {address: ${gatewayAddress}, network: network-2, ports: {tls: ${gatewayPort}}}
proxies: [sidecar/default/server-1, east-west-gateway/default/gateway-1]
`,
      { member: theatre.west },
    )
    const here = `address: 127.0.0.1, tls: none`
    stage = await theatre.start(`
about: ''
clusters:
  west: {network: network-2, gateways: [{address: ${gatewayAddress}, port: ${gatewayPort}}]}
services: [${toList(
      hosts,
      (host) => `{host: ${host}, ports: [http:80],
  endpoints: {
    near: {${here}, ports: {http: ${near}}, locality: eu/a, labels: {team: gold}},
    zone: {${here}, ports: {http: ${zone}}, locality: eu/b},
    us: {${here}, ports: {http: ${us}}, locality: us/a},
    asia: {${here}, ports: {http: ${asia}}, locality: asia/a}},
  remote: {west: [{weight: 1, locality: africa, labels: {team: blue}}]}}`,
    )}]
workloads:
  client-1: {address: ${clientAddress}, locality: eu/a, labels: {team: blue}}
  client-2: {address: ${foreignClientAddress}, locality: us/b, labels: {team: red}}
config: [${toRules(policies)}]
proxies: [sidecar/default/client-1, sidecar/default/client-2]
`)
  })

  test.each<[string, string, readonly string[]]>([
    ['a rule that says nothing of it', 'untold', all],
    ['the nearest alone', 'near', ['near']],
    ['all, where it is switched off though outliers are detected', 'off', all],
    ['the nearest, where outliers are detected', 'detected', ['near']],
    ['the nearest, before the region that takes over', 'successor', ['near']],
    ['all, where shares are for others', 'no-shares', all],
    ['those with the same label as the client, in another network too', 'of-team', ['network-2']],
    ['those with a certain label', 'of-gold', ['near']],
    ['those of the own network, before the label', 'of-network', ['asia', 'near', 'us', 'zone']],
  ])('%s', async (_, host, apps) => {
    expect(await toApps(host)).toEqual(apps)
  })

  test('shares, and nobody outside of them', async () => {
    const { near = 0, zone = 0, us = 0, ...others } = await count('shares', { requests: 100 })
    expect(others).toEqual({})
    expect(near + zone).toBeGreaterThanOrEqual(75)
    expect(near).toBeGreaterThanOrEqual(35)
    expect(zone).toBeGreaterThanOrEqual(35)
    expect(us).toBeGreaterThanOrEqual(15)
  })

  test('another client is nearer to others, and without the label as near to all', async () => {
    expect(await toApps('near', foreignClientAddress)).toEqual(['us'])
    expect(await toApps('of-team', foreignClientAddress)).toEqual(all)
  })

  const without = async (health: 'unhealthy' | 'draining', ...gone: readonly string[]) => {
    const refused = await stage.change(
      ...stage.scene.changes.map((change) =>
        change.kind === 'catalog' && change.value
          ? {
              ...change,
              value: {
                ...change.value,
                endpoints: change.value.endpoints.map((each) => (gone.includes(each.id) ? { ...each, health } : each)),
              },
            }
          : change,
      ),
    )
    expect(refused).toEqual([])
  }

  test.each<['unhealthy' | 'draining', readonly string[], string, readonly string[]]>([
    ['unhealthy', ['near'], 'near', ['zone']],
    ['draining', ['near'], 'near', ['zone']],
    ['unhealthy', ['near', 'zone'], 'near', ['asia', 'network-2', 'us']],
    ['unhealthy', ['near', 'zone'], 'successor', ['asia']],
    ['unhealthy', ['near', 'zone', 'asia'], 'successor', ['network-2', 'us']],
    ['unhealthy', ['near', 'zone'], 'shares', ['us']],
    ['unhealthy', ['near'], 'of-gold', ['asia', 'network-2', 'us', 'zone']],
    ['unhealthy', ['near', 'zone', 'us', 'asia'], 'of-network', ['network-2']],
  ])('with %s %j, %s is answered by %j', async (health, gone, host, apps) => {
    await without(health, ...gone)
    expect(await toApps(host)).toEqual(apps)
  })

  test('a dead gateway takes its network out', async () => {
    await without('unhealthy')
    const cluster = theatre.west.cluster
    const address = { address: gatewayAddress, port: gatewayPort }
    await stage.change({ kind: 'gateway-health', cluster, address, alive: false })
    expect(await toApps('of-team')).toEqual(['asia', 'near', 'us', 'zone'])
    await stage.change({ kind: 'gateway-health', cluster, address, alive: true })
    expect(await toApps('of-team')).toEqual(['network-2'])
  })
})

describe('by algorithm', () => {
  const hash = (fields: string) => `{loadBalancer: {consistentHash: ${fields}}}`
  const policies: Readonly<Record<string, string>> = {
    'round-robin': '{loadBalancer: {simple: ROUND_ROBIN}}',
    'least-request': '{loadBalancer: {simple: LEAST_REQUEST}}',
    random: '{loadBalancer: {simple: RANDOM}}',
    'warm-robin': '{loadBalancer: {simple: ROUND_ROBIN, warmup: {duration: 1s, minimumPercent: 5, aggression: 0.5}}}',
    'warm-least': '{loadBalancer: {warmupDurationSecs: 1s}}',
    header: hash('{httpHeaderName: x-user}'),
    ring: hash('{httpHeaderName: x-user, ringHash: {minimumRingSize: 64}}'),
    maglev: hash('{httpHeaderName: x-user, maglev: {tableSize: 251}}'),
    query: hash('{httpQueryParameterName: user}'),
    source: hash('{useSourceIp: true}'),
    'no-source': hash('{useSourceIp: false}'),
    'no-key': hash('{}'),
    cookie: hash('{httpCookie: {name: user}}'),
    'session-cookie': hash('{httpCookie: {name: user, ttl: 0s}}'),
    'lasting-cookie': hash(
      '{httpCookie: {name: user, path: /shop, ttl: 60s, attributes: [{name: SameSite, value: Strict}]}}',
    ),
  }
  const users = Array.from({ length: 12 }, (_, index) => `user-${index}`)

  beforeAll(async () => {
    await theatre.clear()
    const apps = await Promise.all(['a', 'b'].map((name) => theatre.startApp(name)))
    const endpoints = apps
      .map(({ app, port }) => `${app}: {address: 127.0.0.1, tls: none, ports: {http: ${port}}}`)
      .join(', ')
    await theatre.start(`
about: ''
services: [${toList(Object.keys(policies), (host) => `{host: ${host}, ports: [http:80], endpoints: {${endpoints}}}`)}]
workloads: {client-1: {address: ${clientAddress}}}
config: [${toRules(policies)}]
proxies: [sidecar/default/client-1]
`)
  })

  test('round robin gives both the same', async () => {
    expect(await count('round-robin')).toEqual({ a: 10, b: 10 })
  })

  test.each(['least-request', 'random', 'warm-robin', 'warm-least', 'no-source', 'no-key'])(
    '%s uses both',
    async (host) => {
      expect(Object.keys(await count(host, { requests: 40 })).toSorted()).toEqual(['a', 'b'])
    },
  )

  test.each(['header', 'ring', 'maglev'])('%s keeps a value of the header to one, and values to both', async (host) => {
    const found = new Set<string>()
    for (const user of users) {
      const [first, ...others] = await Promise.all(
        [1, 2, 3].map(async () => (await getEcho(`http://${host}/`, { 'x-user': user })).app),
      )
      expect(others).toEqual([first, first])
      found.add(first ?? '')
    }
    expect([...found].toSorted()).toEqual(['a', 'b'])
  })

  test('query keeps a value of the parameter to one, and values to both', async () => {
    const found = new Set<string>()
    for (const user of users) {
      const first = (await getEcho(`http://query/?user=${user}`)).app
      expect((await getEcho(`http://query/x?other=y&user=${user}`)).app).toBe(first)
      found.add(first)
    }
    expect([...found].toSorted()).toEqual(['a', 'b'])
  })

  test('source keeps a client to one', async () => {
    expect(Object.values(await count('source'))).toEqual([20])
  })

  test.each([
    ['cookie', /^none$/],
    ['session-cookie', /^user="?[0-9a-f]+"?; HttpOnly$/],
    ['lasting-cookie', /^user="?[0-9a-f]+"?; Max-Age=60; Path=\/shop; SameSite=Strict; HttpOnly$/],
  ])('%s keeps its value to one, and makes one that is %s', async (host, made) => {
    const { headers } = await get(`http://${host}/`)
    const [cookie] = headers['set-cookie'] ?? []
    expect(cookie ?? 'none').toMatch(made)
    const found = new Set<string>()
    for (const user of users) {
      const first = (await getEcho(`http://${host}/`, { cookie: `user=${user}` })).app
      expect((await getEcho(`http://${host}/`, { cookie: `user=${user}` })).app).toBe(first)
      found.add(first)
    }
    expect([...found].toSorted()).toEqual(['a', 'b'])
  })
})
