import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ServiceKey } from '#mesh/names.ts'
import { catalogEntry, type CatalogEntry } from '#mesh/service.ts'
import { catalogEntryOf, configChange, configKey, trustItem } from '../state-items.ts'
import { VirtualClock } from '../virtual-clock.ts'
import { ModelAgent } from './model-agent.ts'
import { ModelPlane } from './model-plane.ts'

/** What can happen in a mesh, in any order. `agent` and `cluster` are indexes. */
type Happening =
  | {
      readonly kind: 'deliver-to-plane' | 'deliver-to-agent' | 'cut' | 'kill-agent' | 'connect' | 'repeat'
      readonly agent: number
    }
  /** Both sides' next messages arrive, so many times. */
  | { readonly kind: 'exchange'; readonly agent: number; readonly times: number }
  | { readonly kind: 'time'; readonly milliseconds: number }
  | { readonly kind: 'restart-plane' | 'backup' | 'confirm' }
  | { readonly kind: 'restore-plane'; readonly empty: boolean }
  | { readonly kind: 'configure'; readonly name: number; readonly value: number | null }
  | { readonly kind: 'registry'; readonly cluster: number; readonly name: number; readonly endpoints: number | null }

const agentIndex = fc.nat(2)
const happening: fc.Arbitrary<Happening> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom('deliver-to-plane', 'deliver-to-agent', 'connect'),
      agent: agentIndex,
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({ kind: fc.constant('exchange'), agent: agentIndex, times: fc.integer({ min: 1, max: 9 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('cut', 'kill-agent', 'repeat'), agent: agentIndex }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('time'), milliseconds: fc.integer({ min: 1, max: 60_000 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('restart-plane', 'backup', 'confirm') }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restore-plane'), empty: fc.boolean() }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('configure'), name: fc.nat(4), value: fc.option(fc.nat(9)) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('registry'),
      cluster: fc.nat(1),
      name: fc.nat(3),
      endpoints: fc.option(fc.integer({ min: 1, max: 5 })),
    }),
  },
)

const clusterNames = ['east', 'west'] as const

/** East has two replicas, of which one reports; west has one. */
class Mesh {
  readonly clock = new VirtualClock()
  readonly plane = new ModelPlane()
  readonly registries = clusterNames.map(() => new Map<ServiceKey, CatalogEntry>())
  readonly agents: readonly ModelAgent[]
  #backup: ReturnType<ModelPlane['backup']> | undefined

  constructor(random: () => number) {
    this.agents = [
      ['east', 'east-1', 0],
      ['east', 'east-2', 0],
      ['west', 'west-1', 1],
    ].map(
      ([cluster, replica, registry]) =>
        new ModelAgent(
          String(cluster),
          String(replica),
          this.registries[Number(registry)] ?? new Map(),
          this.clock,
          random,
        ),
    )
    this.plane.applyConfiguration([{ key: 'trust', item: trustItem(['root'], { east: 'e', west: 'w' }) }])
    for (const agent of this.agents) agent.start()
  }

  happen(event: Happening): void {
    const agent = 'agent' in event ? this.agents[event.agent] : undefined
    switch (event.kind) {
      case 'deliver-to-plane':
        agent?.link?.deliverToPlane()
        break
      case 'deliver-to-agent':
        agent?.link?.deliverToAgent()
        break
      case 'connect':
        agent?.link?.connect(this.plane)
        break
      case 'exchange':
        agent?.link?.connect(this.plane)
        for (let time = 0; time < event.times; time += 1) {
          agent?.link?.deliverToPlane()
          agent?.link?.deliverToAgent()
        }
        break
      case 'cut':
        agent?.link?.cut()
        break
      case 'kill-agent':
        agent?.kill()
        agent?.start()
        break
      case 'repeat':
        for (const session of this.plane.sessions) if (session.replica === agent?.replica) session.repeat(2)
        break
      case 'time':
        this.clock.advance(event.milliseconds)
        break
      case 'restart-plane':
        this.plane.restart()
        break
      case 'backup':
        this.#backup = this.plane.backup()
        break
      case 'restore-plane':
        this.plane.restore(event.empty ? undefined : this.#backup)
        break
      case 'confirm':
        this.plane.confirmAll()
        break
      case 'configure': {
        const name = `object-${event.name}`
        this.plane.applyConfiguration([
          event.value === null ? { key: configKey(name), item: null } : configChange(name, event.value),
        ])
        break
      }
      case 'registry':
        this.#changeRegistry(event)
        break
    }
  }

  /** Lets everything that is under way arrive, and what waits for time be done. */
  settle(): void {
    for (let round = 0; round < 40; round += 1) {
      for (let busy = true, steps = 0; busy; steps += 1) {
        if (steps > 1000) throw new Error('the sides never stop talking')
        busy = false
        for (const { link } of this.agents) {
          if (!link || link.idle) continue
          busy = true
          link.connect(this.plane)
          link.deliverToPlane()
          link.deliverToAgent()
        }
      }
      this.clock.advance(5000)
    }
  }

  /** A person confirms until there is nothing left to confirm. */
  settleWithConfirmation(): void {
    for (let round = 0; round < 4; round += 1) {
      this.settle()
      this.plane.confirmAll()
    }
    this.settle()
  }

  #changeRegistry(event: Extract<Happening, { kind: 'registry' }>): void {
    const cluster = clusterNames[event.cluster] ?? 'east'
    const registry = this.registries[event.cluster]
    const entry = catalogEntry.parse(catalogEntryOf(cluster, `service-${event.name}`, event.endpoints ?? 1))
    if (event.endpoints === null) registry?.delete(entry.service.key)
    else registry?.set(entry.service.key, entry)
    for (const agent of this.agents)
      if (agent.cluster === cluster)
        agent.changeRegistry(
          event.endpoints === null ? [] : [entry],
          event.endpoints === null ? [entry.service.key] : [],
        )
  }
}

/** fast-check's seed decides the jitter too. */
const toRandom = (seed: number) => {
  let state = seed
  return (): number => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return state / 2_147_483_648
  }
}

test('property: whatever happens in whatever order, all sides end in the same state', () => {
  fc.assert(
    fc.property(
      fc.array(happening, { minLength: 10, maxLength: 150, size: 'max' }),
      fc.nat(2_147_483_647),
      (happenings, seed) => {
        const mesh = new Mesh(toRandom(seed))
        for (const event of happenings) mesh.happen(event)
        mesh.settleWithConfirmation()
        for (const agent of mesh.agents) {
          const expected = mesh.plane.visibleTo(agent.cluster)
          expect(agent.uplink.status).toMatchObject({ live: true, holds: [] })
          expect(agent.view).toEqual(expected)
        }
        for (const [index, cluster] of clusterNames.entries()) {
          expect(mesh.plane.row(cluster).catalog).toEqual(mesh.registries[index])
          // One that was fenced off hears of it when it reports next; the plane knows a single one at any time.
          const reporters = mesh.agents.filter((agent) => agent.cluster === cluster && agent.uplink.status.reporting)
          expect(reporters.map(({ replica }) => replica)).toContain(mesh.plane.row(cluster).reporter)
        }
      },
    ),
    { numRuns: 400 },
  )
})

test('property: no plane, however it comes back, takes anything from an agent before a person confirms', () => {
  fc.assert(
    fc.property(fc.boolean(), fc.integer({ min: 1, max: 5 }), fc.nat(2_147_483_647), (empty, more, seed) => {
      const mesh = new Mesh(toRandom(seed))
      mesh.happen({ kind: 'backup' })
      for (let name = 0; name < more; name += 1) mesh.happen({ kind: 'configure', name, value: 1 })
      for (const cluster of [0, 1]) mesh.happen({ kind: 'registry', cluster, name: 0, endpoints: 3 })
      mesh.settle()
      const before = mesh.agents.map((agent) => new Map(agent.view))
      mesh.happen({ kind: 'restore-plane', empty })
      mesh.settle()
      for (const agent of [0, 1, 2]) mesh.happen({ kind: 'kill-agent', agent })
      mesh.settle()
      expect(mesh.agents.map((agent) => new Map(agent.view))).toEqual(before)
      for (const agent of mesh.agents) expect(agent.uplink.status.holds).toMatchObject([{ kind: 'restored-plane' }])
    }),
    { numRuns: 50 },
  )
})
