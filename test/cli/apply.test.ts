import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { toProblemDetails } from '#api/problem-details.ts'
import type { ApplyResult } from '#api/schemas/configuration.ts'
import type { ClusterDelivery } from '#api/schemas/revisions.ts'
import { runFake } from './fake-io.ts'
import type { FakeAnswer } from './fake-io.ts'

let folder: string
let file: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'atoll-apply-'))
  file = join(folder, 'reviews.yaml')
  writeFileSync(file, 'kind: VirtualService\n')
})
afterAll(() => rmSync(folder, { recursive: true }))

const applied: ApplyResult = {
  revision: 7,
  changes: [
    { key: 'VirtualService/default/reviews', action: 'created' },
    { key: 'DestinationRule/default/reviews', action: 'unchanged' },
  ],
  problems: [],
}
const configuration = 'POST /v1/meshes/shop/configuration'
const deliveryOf7 = 'GET /v1/meshes/shop/revisions/7/delivery'
const ok = (body: unknown): FakeAnswer => ({ status: 200, body })

type Cluster = Pick<ClusterDelivery, 'proxies' | 'live'> & Partial<ClusterDelivery>
let version = 0
const delivery = (...clusters: Cluster[]): FakeAnswer =>
  ok({
    revision: 7,
    clusters: clusters.map((cluster, index) => ({
      cluster: ['east', 'west'][index],
      connected: true,
      laggards: [],
      nacks: [],
      ...cluster,
    })),
    complete: clusters.every(
      ({ proxies, live, connected, silent, heldBecause }) =>
        live >= proxies && connected !== false && silent === undefined && heldBecause === undefined,
    ),
    version: String(version++),
  })
const nack = {
  proxy: 'sidecar/default/frontend',
  typeUrl: 'type.googleapis.com/envoy.config.listener.v3.Listener',
  resources: ['inbound'],
  revision: 7,
}

const apply = (answers: Record<string, FakeAnswer | FakeAnswer[]>, ...more: string[]) =>
  runFake(['apply', '-f', file, ...more], { answers: { [configuration]: ok(applied), ...answers } })

describe('atoll apply', () => {
  it('tells what became of each object', async () => {
    const { code, stdout, calls } = await apply({})
    expect(code).toBe(0)
    expect(stdout).toBe(
      'VirtualService default/reviews created\nDestinationRule default/reviews unchanged\nRevision 7: 1 created\n',
    )
    expect(calls).toMatchObject([{ body: 'kind: VirtualService\n', headers: { 'content-type': 'application/yaml' } }])
  })

  it('passes on what it is told', async () => {
    const { calls, stdout } = await apply({}, '--dry-run', '--namespace', 'shop', '--if-revision', '6', '--wait')
    expect(calls).toMatchObject([{ query: { dryRun: 'true', namespace: 'shop' }, headers: { 'if-match': '"6"' } }])
    expect(stdout).toContain('Dry run on revision 7: 1 created')
  })

  it('says which file and line the plane finds wrong', async () => {
    const problems = [
      {
        code: 'unknown_field' as const,
        severity: 'error' as const,
        path: 'spec.foo',
        message: 'is not a field',
        line: 1,
      },
    ]
    const refusal = toProblemDetails('invalid_configuration', { requestId: 'r', detail: '1 error', problems })
    const { code, stderr } = await apply({ [configuration]: { status: 422, body: refusal } })
    expect(code).toBe(7)
    expect(stderr).toBe(`error: 1 error\n  error (unknown_field) ${file}:1 spec.foo: is not a field\n`)
  })

  it('finds the line of what the plane found wrong without the text, also in JSON', async () => {
    const broken = join(folder, 'broken.yaml')
    writeFileSync(broken, 'kind: VirtualService\nmetadata: {name: reviews}\nspec:\n  hosts:\n    - nobody\n')
    const warning = {
      code: 'dangling_reference',
      severity: 'warning',
      object: { kind: 'VirtualService', namespace: 'shop', name: 'reviews' },
      path: 'spec.hosts[0]',
      message: 'nobody offers it',
    }
    const refusal = toProblemDetails('invalid_configuration', {
      requestId: 'r',
      detail: '1 error',
      problems: [{ ...warning, code: 'dangling_reference', severity: 'error' }],
    })
    const files = ['-f', broken, '-n', 'shop']
    const taken = await apply({ [configuration]: ok({ ...applied, problems: [warning] }) }, ...files)
    expect(taken.stderr).toBe(
      `warning (dangling_reference) ${broken}:5 VirtualService shop/reviews spec.hosts[0]: nobody offers it\n`,
    )
    const refused = await apply({ [configuration]: { status: 422, body: refusal } }, ...files, '-o', 'json')
    expect(refused.stderr).toContain(`error (dangling_reference) ${broken}:5 VirtualService`)
    const { message: text, ...rest } = warning
    const fields = { ...rest, class: 'reference', text, place: `${broken}:5` }
    expect(JSON.parse(refused.stdout)).toEqual({ problems: [{ ...fields, severity: 'error' }] })
    const shown = await apply({ [configuration]: ok({ ...applied, problems: [warning] }) }, ...files, '-o', 'json')
    expect(JSON.parse(shown.stdout)).toMatchObject({ problems: [fields] })
  })

  it('shows the first of many problems, and all of them on request', async () => {
    const many = join(folder, 'many.yaml')
    writeFileSync(many, Array.from({ length: 40 }, () => '}\n').join('---\n'))
    const compile = ['xds', '-f', many, '--proxy', 'sidecar/default/web']
    const { code, stdout, stderr } = await runFake(compile)
    expect({ code, stdout }).toEqual({ code: 7, stdout: '' })
    expect(stderr.split('\n')).toHaveLength(13)
    expect(stderr).toMatch(/\n {2}and \d+ more; -o json shows all\n$/)
    const full = await runFake([...compile, '-o', 'json'])
    const { problems } = JSON.parse(full.stdout) as { readonly problems: readonly { readonly place: string }[] }
    expect(problems.length).toBeGreaterThanOrEqual(40)
    expect(problems.at(-1)?.place).toBe(`${many}:79`)
  })

  it('shows warnings beside the result', async () => {
    const warning = {
      code: 'dangling_reference',
      severity: 'warning',
      path: 'spec.hosts[0]',
      message: 'nobody offers it',
    }
    const { code, stdout, stderr } = await apply(
      { [configuration]: ok({ ...applied, problems: [warning] }) },
      '-o',
      'name',
    )
    expect({ code, stdout, stderr }).toEqual({
      code: 0,
      stdout: 'VirtualService/default/reviews\nDestinationRule/default/reviews\n',
      stderr: 'warning (dangling_reference) spec.hosts[0]: nobody offers it\n',
    })
  })
})

describe('atoll apply --wait', () => {
  const condition = {
    type: 'atoll.dev/Effective',
    status: 'False',
    reason: 'ClusterObjectHolds',
    message: "the cluster's own object of this name holds",
  }
  const warning =
    "warning in east VirtualService default/reviews has atoll.dev/Effective=False (ClusterObjectHolds): the cluster's own object of this name holds\n"
  const judgedAt = (revision?: number) =>
    ok({
      key: 'VirtualService/default/reviews',
      revision: 7,
      updatedAt: '2026-01-01T00:00:00Z',
      object: {
        apiVersion: 'networking.istio.io/v1',
        kind: 'VirtualService',
        metadata: { name: 'reviews', namespace: 'default' },
        spec: {},
      },
      status: [{ cluster: 'east', revision, conditions: [condition] }],
    })

  it.each([
    ['says where one of the objects has no effect, though all proxies have the revision', [judgedAt(7)], warning],
    ['waits for clusters to judge at this revision', [judgedAt(6), judgedAt(6), judgedAt(8)], warning],
    ['says nothing that was said of an earlier revision', [judgedAt(6)], ''],
    ['takes the word of an agent that does not tell its revision', [judgedAt()], warning],
  ])('%s', async (_, statuses, expected) => {
    const answers = {
      [deliveryOf7]: delivery({ proxies: 1, live: 1 }),
      'GET /v1/meshes/shop/configuration/VirtualService/default/reviews': statuses,
    }
    const { code, stdout, stderr } = await apply(answers, '--wait')
    expect({ code, stderr }).toEqual({ code: 0, stderr: expected })
    expect(stdout).toContain('revision 7 is live on 1 of 1 proxies')
  })

  it('follows the revision until it is live', async () => {
    const steps = [
      delivery({ proxies: 10, live: 3 }, { proxies: 4, live: 0 }),
      delivery({ proxies: 10, live: 10 }, { proxies: 4, live: 2 }),
      delivery({ proxies: 10, live: 10 }, { proxies: 4, live: 4 }),
    ]
    const { code, stdout, calls } = await apply({ [deliveryOf7]: steps }, '--wait')
    expect(code).toBe(0)
    expect(stdout).toContain('\nrevision 7 is live on 14 of 14 proxies in 2 of 2 clusters\n')
    const asked = calls.filter(({ path }) => path.endsWith('/delivery'))
    expect(asked.map(({ query }) => query['after'])).toEqual([undefined, expect.any(String), expect.any(String)])
  })

  it('shows live counts on a terminal', async () => {
    const steps = [delivery({ proxies: 2, live: 1 }), delivery({ proxies: 2, live: 2 })]
    const { stderr } = await runFake(['apply', '-f', file, '--wait'], {
      terminal: [],
      answers: { [configuration]: ok(applied), [deliveryOf7]: steps },
    })
    expect(stderr).toContain('\r\u001B[Krevision 7 is live on 1 of 2 proxies in 0 of 1 clusters')
  })

  it('names who lags when the time is over', async () => {
    const laggards = [{ proxy: 'sidecar/default/a', revision: 6, waitingFor: 'RouteConfiguration' }]
    const { code, stdout, stderr, calls } = await apply(
      { [deliveryOf7]: delivery({ proxies: 4, live: 2, laggards }, { proxies: 3, live: 3, connected: false }) },
      '--wait',
      '--timeout',
      '60s',
    )
    expect(code).toBe(3)
    expect(stdout).toContain(`revision 7 is live on 5 of 7 proxies in 0 of 2 clusters
  east: sidecar/default/a has revision 6 and waits for RouteConfiguration
  east: 1 more proxies are behind
  west: its agent is not connected; when it was, 3 of 3 proxies had it
`)
    expect(stderr).toContain('60 s')
    const waited = calls.reduce((sum, { query }) => sum + Number(query['waitSeconds'] ?? 0), 0)
    expect(waited).toBe(60)
  })

  it('names who has no stream, and tells of agents that do not serve yet', async () => {
    const between = delivery(
      { proxies: 5, live: 2, absent: { proxies: 3, names: ['sidecar/shop/a', 'sidecar/shop/b'] } },
      { proxies: 3, live: 3, silent: 1 },
    )
    const { code, stdout } = await apply({ [deliveryOf7]: between }, '--wait', '--timeout', '60s')
    expect(code).toBe(3)
    expect(stdout).toContain(`revision 7 is live on 5 of 8 proxies in 0 of 2 clusters
  east: sidecar/shop/a has no stream: it runs, and is connected to no agent
  east: sidecar/shop/b has no stream: it runs, and is connected to no agent
  east: 1 more proxies run and have no stream to an agent
  west: an agent of it serves no proxies yet
`)
  })

  it('does not wait for a proxy that has refused, and shows why it did', async () => {
    const refused = delivery(
      {
        proxies: 4,
        live: 3,
        nacks: [{ ...nack, reason: 'bad listener' }],
        laggards: [{ proxy: nack.proxy, revision: 6, waitingFor: 'Listener inbound was refused' }],
      },
      { proxies: 3, live: 3 },
    )
    const { code, stdout, calls } = await apply({ [deliveryOf7]: refused }, '--wait', '--timeout', '10m')
    expect(code).toBe(3)
    expect(stdout).toContain('revision 7 is live on 6 of 7 proxies in 1 of 2 clusters\n')
    expect(stdout).toContain('  east: sidecar/default/frontend refused Listener inbound: bad listener\n')
    expect(stdout).not.toContain('waits for')
    const waited = calls.reduce((sum, { query }) => sum + Number(query['waitSeconds'] ?? 0), 0)
    expect(waited).toBeLessThan(60)
  })

  it('tells what is held, and where to look', async () => {
    const held = delivery({ proxies: 1, live: 0, heldBecause: 'the plane was restored' })
    const { stdout } = await apply({ [deliveryOf7]: held }, '--wait', '--timeout', '1s')
    expect(stdout).toContain('east: held, see "atoll cluster show east": the plane was restored')
  })

  it('answers everything in one JSON document', async () => {
    const { stdout } = await apply({ [deliveryOf7]: delivery({ proxies: 1, live: 1 }) }, '--wait', '-o', 'json')
    expect(JSON.parse(stdout)).toMatchObject({ revision: 7, delivery: { complete: true } })
  })

  it('does not let a proxy rewrite the terminal', async () => {
    const refused = delivery({ proxies: 1, live: 0, nacks: [{ ...nack, reason: 'bad\u001B[2J' }] })
    const { stdout } = await apply({ [deliveryOf7]: refused }, '--wait', '--timeout', '1s')
    expect(stdout).toContain(String.raw`bad\u001b[2J`)
  })
})
