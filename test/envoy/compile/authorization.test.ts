import { createServer } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { Origin } from '#mesh/config-object.ts'
import type { ViewChange } from '#mesh/view.ts'
import { ExplainedScene } from '#test/compile/explain.ts'
import { eventually } from '#test/harness/child.ts'
import { makeObject } from '#test/mesh/records.ts'
import type { Call } from '#xds/explain/call.ts'
import { callHttp, callTcp, describeCall, type Caller, type HttpCall } from './authorization-calls.ts'
import { startAuthorizers, type Authorizers } from './authorizers.ts'
import { foretellConnections, foretellRequests } from './authorization-foretold.ts'
import { askFor, extensionRows, pick, providerRows, toAsk } from './authorization-providers.ts'
import {
  at,
  cart,
  connectionRows,
  from,
  requestRows,
  to,
  tokens,
  web,
  type Ports,
  type Rule,
} from './authorization-rows.ts'
import { scene } from './authorization-scene.ts'
import { startProcessor } from './processor.ts'
import type { Stage } from './stage.ts'
import { ask, Theatre } from './theatre.ts'

let theatre: Theatre
let stage: Stage
beforeAll(async () => {
  theatre = await Theatre.open()
  const app = await theatre.startApp('web')
  const tcp = await theatre.listen(createServer((socket) => socket.pipe(socket)))
  authorizers = await startAuthorizers(theatre)
  const processor = await startProcessor(theatre)
  stage = await theatre.start(scene({ http: app.port, tcp }, { ...authorizers, processor }))
  ports = { http: String(app.port), tcp: String(tcp) }
})
afterAll(() => theatre.clear())

let ports: Ports
let authorizers: Authorizers

/** Of what the application tells. */
const echo = z.object({ headers: z.record(z.string(), z.string()) })

const place = (name = 'p', namespace = 'default') => `AuthorizationPolicy/${namespace}/${name}` as const

const put = (
  spec: Rule,
  {
    name = 'p',
    namespace = 'default',
    origin = 'mesh',
    annotations = {},
  }: {
    readonly name?: string
    readonly namespace?: string
    readonly origin?: Origin
    readonly annotations?: Readonly<Record<string, string>>
  } = {},
): ViewChange => ({
  kind: 'config',
  origin,
  key: place(name, namespace),
  value: makeObject('AuthorizationPolicy', name, spec, { namespace, annotations }),
})
const drop = (name = 'p', namespace = 'default', origin: Origin = 'mesh'): ViewChange => ({
  kind: 'config',
  origin,
  key: place(name, namespace),
  value: null,
})

const apply = async (...changes: readonly ViewChange[]): Promise<void> => {
  expect(await stage.change(...changes)).toEqual([])
}

/** Told calls, with what becomes of each. */
const tellAll = async (calls: readonly HttpCall[]) =>
  Promise.all(calls.map(async (call) => [describeCall(call), await callHttp(call)]))
const expectAll = (calls: readonly HttpCall[], status: number) => calls.map((call) => [describeCall(call), status])

/** What TLS asks for is known of connections alone that have come since somebody wants to know it: others end by themselves then. */
const asksServerName = (rule: Rule) => JSON.stringify(rule).includes('connection.sni')

const tellNew = async (rule: Rule, calls: readonly HttpCall[], expected: readonly unknown[]) => {
  const first = await tellAll(calls)
  if (!asksServerName(rule)) return first
  return eventually('connections are new', async () => {
    const told = await tellAll(calls)
    return JSON.stringify(told) === JSON.stringify(expected) && told
  })
}

/** What the evaluator says of the same calls, by the same rules. */
const judgeAll = async (calls: readonly HttpCall[]) => {
  const explained = new ExplainedScene(stage.scene)
  return Promise.all(calls.map(async (call) => [describeCall(call), await judgeCall(explained, call)]))
}

/** As a status; of what is not known what is missing. */
const judgeCall = async (explained: ExplainedScene, call: HttpCall) => {
  const { from: caller = 'web', method = 'GET', host = 'server.default', path = '/', headers = {} } = call
  const { 'x-token': token, ...others } = headers
  const judgement = await explainPolicy(explained, caller, {
    host: 'server.default',
    method,
    path,
    headers: { ...others, host },
    ...(token !== undefined && { claims: tokens[token] ?? {} }),
  })
  const { outcome, missing } = judgement
  return outcome === 'not-known' ? missing : outcome === 'allowed' ? 200 : 403
}

const explainPolicy = async (explained: ExplainedScene, caller: Caller, call: Partial<Call> & { host: string }) => {
  const proxy = stage.scene.proxies.find(({ serviceAccount }) => serviceAccount === caller)
  const { ways } = await explained.explain({ ...call, sourceAddress: '127.0.0.1' }, proxy && { proxy })
  const judgement = ways.flatMap(({ steps }) => steps).find(({ stage: at }) => at === 'policy')?.judgement
  if (!judgement) throw new Error(`nobody judges ${JSON.stringify(ways)}`)
  return judgement
}

/** What is missing of what other filters note. */
const noted: unknown = expect.stringContaining('envoy.filters.http.marks')

const asAllow = (rule: Rule): Rule => ({ action: 'ALLOW', rules: [rule] })
const asDeny = (rule: Rule): Rule => ({ action: 'DENY', rules: [rule] })

describe('requests', () => {
  afterEach(() => apply(drop()))
  test.each(Object.entries(requestRows))(
    'are judged as ALLOW and as DENY by %s',
    async (title, { rule, matches, leaves }) => {
      const calls = [...matches, ...leaves]
      // What other filters note of a request nobody knows before.
      const foretell = (expected: readonly unknown[]) =>
        title.includes('experimental') ? calls.map((call) => [describeCall(call), [noted]]) : expected
      const allowed = [...expectAll(matches, 200), ...expectAll(leaves, 403)]
      const denied = [...expectAll(matches, 403), ...expectAll(leaves, 200)]
      expect(allowed).toEqual(expect.arrayContaining(foretellRequests(stage, asAllow(rule(ports)), calls, ports.http)))
      expect(denied).toEqual(expect.arrayContaining(foretellRequests(stage, asDeny(rule(ports)), calls, ports.http)))
      await apply(put(asAllow(rule(ports))))
      expect(await tellNew(rule(ports), calls, allowed)).toEqual(allowed)
      expect(await judgeAll(calls)).toEqual(foretell(allowed))
      await apply(put(asDeny(rule(ports))))
      expect(await tellNew(rule(ports), calls, denied)).toEqual(denied)
      expect(await judgeAll(calls)).toEqual(foretell(denied))
    },
  )
})

describe('connections', () => {
  afterEach(() => apply(drop()))
  const whoGetsIn = async (): Promise<readonly Caller[]> => {
    const all = await Promise.all(
      (['web', 'cart'] as const).map(async (each) => ({ each, gets: await callTcp(each, 'server.default:9000') })),
    )
    return all.flatMap(({ each, gets }) => (gets ? [each] : []))
  }

  const whoIsJudgedIn = async (): Promise<readonly Caller[]> => {
    const explained = new ExplainedScene(stage.scene)
    const call = { host: 'server.default', port: 9000, scheme: 'tcp' } as const
    const all = await Promise.all(
      (['web', 'cart'] as const).map(async (each) => ({ each, ...(await explainPolicy(explained, each, call)) })),
    )
    return all.flatMap(({ each, outcome }) => (outcome === 'allowed' ? [each] : []))
  }

  test.each(Object.entries(connectionRows))(
    'of TCP are judged as ALLOW and as DENY by %s',
    async (_, { rule, allow, deny }) => {
      const toAll = (letIn: readonly Caller[]) => (['web', 'cart'] as const).map((each) => [each, letIn.includes(each)])
      const [allowed, denied] = [asAllow, asDeny].map((as) => foretellConnections(stage, as(rule(ports)), ports.tcp))
      expect(toAll(allow)).toEqual(expect.arrayContaining(allowed ?? []))
      expect(toAll(deny)).toEqual(expect.arrayContaining(denied ?? []))
      await apply(put(asAllow(rule(ports))))
      expect(await whoGetsIn()).toEqual(allow)
      expect(await whoIsJudgedIn()).toEqual(allow)
      await apply(put(asDeny(rule(ports))))
      expect(await whoGetsIn()).toEqual(deny)
      expect(await whoIsJudgedIn()).toEqual(deny)
    },
  )
})

describe('policies together', () => {
  const names = ['p', 'q', 'r'] as const
  afterEach(() => apply(...names.flatMap((name) => [drop(name), drop(name, 'root'), drop(name, 'default', 'cluster')])))
  const matchAll = { rules: [{}] }

  test('without any everybody may call', async () => {
    expect(await tellAll([web, cart])).toEqual(expectAll([web, cart], 200))
  })

  test('ALLOW without rules allows nothing, DENY and AUDIT without rules do nothing', async () => {
    await apply(put({ action: 'AUDIT' }, { name: 'q' }))
    expect(await tellAll([web])).toEqual(expectAll([web], 200))
    await apply(put({}))
    expect(await tellAll([web, cart])).toEqual(expectAll([web, cart], 403))
    expect(await callTcp('web', 'server.default:9000')).toBe(false)
  })

  test('DENY comes before ALLOW, and what one of several allows is allowed', async () => {
    await apply(put(asAllow(from({ namespaces: ['shop'] }))), put(asAllow(to({ paths: ['/a'] })), { name: 'q' }))
    expect(await tellAll([cart, at('/a')])).toEqual(expectAll([cart, at('/a')], 200))
    expect(await callHttp(web)).toBe(403)
    await apply(put(asDeny(to({ paths: ['/a'] })), { name: 'r' }))
    expect(await tellAll([cart, at('/a'), { ...cart, path: '/a' }])).toEqual([
      ...expectAll([cart], 200),
      ...expectAll([at('/a'), { ...cart, path: '/a' }], 403),
    ])
  })

  test('AUDIT and dry runs keep nobody out, and let nobody in', async () => {
    const annotations = { 'istio.io/dry-run': 'true' }
    await apply(put({ action: 'AUDIT', ...matchAll }), put({ action: 'DENY', ...matchAll }, { name: 'q', annotations }))
    await apply(put({ action: 'ALLOW' }, { name: 'r', annotations }))
    expect(await tellAll([web, cart])).toEqual(expectAll([web, cart], 200))
    await apply(put({}))
    await apply(put({ action: 'ALLOW', ...matchAll }, { name: 'r', annotations }))
    expect(await tellAll([web, cart])).toEqual(expectAll([web, cart], 403))
  })

  test("the root namespace's are for the whole mesh, by selector too", async () => {
    await apply(put(asDeny(from({ namespaces: ['shop'] })), { namespace: 'root' }))
    expect([await callHttp(web), await callHttp(cart)]).toEqual([200, 403])
    await apply(put({ ...asDeny({}), selector: { matchLabels: { app: 'server' } } }, { namespace: 'root' }))
    expect(await callHttp(web)).toBe(403)
    await apply(put({ ...asDeny({}), selector: { matchLabels: { app: 'other' } } }, { namespace: 'root' }))
    expect(await callHttp(web)).toBe(200)
  })

  test('a policy is for whom it selects, and for nobody by a target that is no proxy', async () => {
    await apply(put({ ...asDeny({}), selector: { matchLabels: { app: 'other' } } }))
    await apply(put({ ...asDeny({}), targetRefs: [{ kind: 'Service', name: 'server', group: '' }] }, { name: 'q' }))
    await apply(put(asDeny({}), { name: 'r', namespace: 'shop' }))
    expect(await callHttp(web)).toBe(200)
    await apply(drop('r', 'shop'))
    await apply(put({ ...asDeny({}), selector: { matchLabels: { app: 'server' } } }))
    expect(await callHttp(web)).toBe(403)
  })

  test("the mesh's and the cluster's of one name add up", async () => {
    await apply(
      put(asAllow(from({ namespaces: ['shop'] }))),
      put(asAllow(to({ paths: ['/a'] })), { origin: 'cluster' }),
    )
    expect(await tellAll([cart, at('/a')])).toEqual(expectAll([cart, at('/a')], 200))
    expect(await callHttp(web)).toBe(403)
  })

  test('one that is refused denies all of whom it selects', async () => {
    await stage.change(put({ ...asAllow(from({ unheardOf: ['x'] })), selector: { matchLabels: { app: 'server' } } }))
    expect(await tellAll([web, cart])).toEqual(expectAll([web, cart], 403))
    await stage.change(put({ ...asAllow(from({ unheardOf: ['x'] })), selector: { matchLabels: { app: 'other' } } }))
    expect(await tellAll([web, cart])).toEqual(expectAll([web, cart], 200))
  })
})

describe('CUSTOM', () => {
  afterEach(() => apply(drop(), drop('q'), drop('r')))
  const custom = (provider: string, rules: Rule = toAsk): Rule => ({
    action: 'CUSTOM',
    provider: { name: provider },
    ...rules,
  })
  const checkedPaths = () => authorizers.takeChecks().map(({ path }) => path)

  test.each(Object.entries(providerRows))(
    'is decided by %s',
    async (_, { provider, call, status, answered = {}, seen = {}, told = {}, check }) => {
      await apply(put(custom(provider)))
      authorizers.takeChecks()
      const reply = await askFor(call)
      expect(reply).toMatchObject({ status })
      expect(pick(reply.headers, answered)).toEqual(answered)
      const reached = status === 200 ? echo.parse(JSON.parse(reply.body)).headers : {}
      expect(pick(reached, seen)).toEqual(seen)
      const checks = authorizers.takeChecks()
      expect(checks).toMatchObject(check ? [check] : [])
      expect(pick(checks[0]?.headers ?? {}, told)).toEqual(told)
      // About what it does not match nobody is asked.
      expect(await askFor({ path: '/other/deny' })).toMatchObject({ status: 200 })
      expect(checkedPaths()).toEqual([])
    },
  )

  test('comes before DENY and ALLOW, and all of them have to let in', async () => {
    await apply(put(custom('http')), put(asDeny(to({ paths: ['/ask/never'] })), { name: 'q' }))
    expect(await askFor({ path: '/ask/never' })).toMatchObject({ status: 403 })
    expect(await askFor({ path: '/ask/deny' })).toMatchObject({ status: 401 })
    await apply(put(asAllow(to({ paths: ['/ask/deny', '/ask/a'] })), { name: 'q' }))
    expect(await askFor({ path: '/ask/deny' })).toMatchObject({ status: 401 })
    expect([(await askFor({ path: '/ask/a' })).status, (await askFor({ path: '/ask/b' })).status]).toEqual([200, 403])
  })

  test('asks once about what several policies of a provider match, and of two providers nobody', async () => {
    await apply(put(custom('http')), put(custom('HTTP', { rules: [to({ paths: ['*/a'] })] }), { name: 'q' }))
    authorizers.takeChecks()
    for (const path of ['/ask/a', '/ask/b', '/c/a', '/c']) expect(await askFor({ path })).toMatchObject({ status: 200 })
    expect(checkedPaths()).toEqual(['/ask/a', '/ask/b', '/c/a'])
    await apply(put(custom('grpc', { rules: [to({ paths: ['*/a'] })] }), { name: 'q' }))
    for (const path of ['/ask/a', '/ask/b', '/c/a']) expect(await askFor({ path })).toMatchObject({ status: 403 })
    expect(await askFor({ path: '/c' })).toMatchObject({ status: 200 })
    expect(checkedPaths()).toEqual([])
  })

  test('of connections is decided over gRPC by who calls, and denies them with a provider of HTTP', async () => {
    const whoGetsIn = async (): Promise<readonly Caller[]> => {
      const callersIn = (['web', 'cart'] as const).map(async (each) =>
        (await callTcp(each, 'server.default:9000')) ? [each] : [],
      )
      return (await Promise.all(callersIn)).flat()
    }
    const always = { rules: [{ to: [{ operation: { ports: [ports.tcp] } }] }] }
    await apply(put(custom('grpc', always)))
    authorizers.takeChecks()
    authorizers.denied = '/sa/web'
    expect(await whoGetsIn()).toEqual(['cart'])
    authorizers.denied = undefined
    expect(await whoGetsIn()).toEqual(['web', 'cart'])
    expect(authorizers.takeChecks()).toHaveLength(4)
    await apply(put(custom('grpc-down', always)))
    expect(await whoGetsIn()).toEqual([])
    await apply(put(custom('grpc-down-open', always)))
    expect(await whoGetsIn()).toEqual(['web', 'cart'])
    await apply(put(custom('http', always)))
    expect(await whoGetsIn()).toEqual([])
    // Of other ports.
    expect(await callHttp(web)).toBe(200)
    await apply(put(custom('grpc', { rules: [to({ ports: [ports.http] })] })))
    expect(await whoGetsIn()).toEqual(['web', 'cart'])
    expect(authorizers.takeChecks()).toEqual([])
  })
})

describe('of ProxyExtensions', () => {
  const load = (name: string, spec: Rule | null): ViewChange => {
    const value = spec && { ...makeObject('ProxyExtension', name, spec), apiVersion: 'policy.atoll.dev/v1alpha1' }
    return { kind: 'config', origin: 'mesh', key: `ProxyExtension/default/${name}`, value }
  }
  const naming = (name: string): Rule => ({ provider: { name }, selector: { matchLabels: { app: 'server' } } })
  afterEach(() => apply(load('e', null), load('f', null)))

  test.each(Object.entries(extensionRows))(
    'requests are looked at by %s',
    async (_, { provider, status, answered = {}, seen = {}, denied }) => {
      await apply(load('e', naming(provider)))
      const reply = await askFor({ path: '/a' })
      expect(reply).toMatchObject({ status })
      expect(pick(reply.headers, answered)).toEqual(answered)
      const reached = status === 200 ? echo.parse(JSON.parse(reply.body)).headers : {}
      expect(pick(reached, seen)).toEqual(seen)
      expect(await askFor({ path: '/deny' })).toMatchObject({ status: denied })
    },
  )

  test('what a proxy refuses, two that differ, and one that can not be understood let nobody in', async () => {
    await stage.change(load('e', naming('script-broken')))
    expect(await askFor({ path: '/a' })).toMatchObject({ status: 403 })
    expect(stage.blamed()).toMatchObject([{ object: 'ProxyExtension/default/e' }])
    await apply(load('e', naming('script')), load('f', naming('processor')))
    expect(await askFor({ path: '/a' })).toMatchObject({ status: 403 })
    await apply(load('f', null))
    expect(await askFor({ path: '/a' })).toMatchObject({ status: 200 })
    await apply(load('e', null))
    await stage.change(load('e', { ...naming('script'), unheardOf: 1 }))
    expect(await askFor({ path: '/a' })).toMatchObject({ status: 403 })
  })
})

test('a policy holds for requests on connections that are open, and closes those of TCP that it would judge otherwise', async () => {
  const connections = () =>
    stage.statistics(new RegExp(`^http\\.inbound_${ports.http}\\.downstream_cx_(total|destroy):`))
  expect(await callHttp(web)).toBe(200)
  const before = await connections()
  expect(before).toHaveLength(2)
  const tcp = await theatre.openTunnel('server.default:9000')
  expect(await ask(tcp.socket, 'hello')).toBe('hello')
  const closed = new Promise((resolve) => tcp.socket.once('close', resolve))
  await apply(put(asDeny({})))
  expect(await callHttp(web)).toBe(403)
  await closed
  await apply(drop())
  expect(await callHttp(web)).toBe(200)
  expect(await connections()).toEqual(before)
})
