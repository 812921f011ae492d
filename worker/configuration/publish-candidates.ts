import { toObjectKey } from '#mesh/config-object.ts'
import type { ConfigObject } from '#mesh/config-object.ts'
import type { Problem } from '#mesh/problem.ts'
import { choosePublished } from '#mesh/publishing/choose-published.ts'
import type { Holder, Standing } from '#mesh/publishing/choose-published.ts'
import { publisherOf } from '#mesh/publishing/publish-annotations.ts'
import { toPublishedObject } from '#mesh/publishing/published-object.ts'
import type { Overreach } from '#mesh/publishing/find-overreach.ts'
import type { MeshStore } from '../mesh/mesh-store.ts'
import type { Wish } from '../mesh/publishing/candidates.ts'
import type { PublishRequest, Verdict, Wishes } from '../mesh/publishing/commit-publishing.ts'
import { readBaseConfiguration } from './base-configuration.ts'
import type { BaseConfiguration } from './base-configuration.ts'
import { createReachCheck } from './publish-reach.ts'
import type { ReachStore } from './publish-reach.ts'
import { findProblems } from './write-configuration.ts'

/**
 * How often a pass is begun again because the configuration has moved on meanwhile. In the mesh's object nothing comes between: a pass awaits
 * what is there already. It would where a mesh is spread over several.
 */
const MAX_ATTEMPTS = 5
/** How often a pass checks some of the objects against the whole mesh; what is not told apart by then is refused, and looked at again in the next pass. */
const MAX_TRIALS = 64

/** The mesh's object, from inside: what a pass reads and writes. */
export interface PublishingStore extends ReachStore, Pick<MeshStore, 'readConfiguration' | 'findOffered'> {
  readonly id: string
  /** What clusters ask for. */
  readWishes(): Wishes
  readCandidate(cluster: string, key: string): ConfigObject
  /** Answers false when it has to be worked out again. */
  commitPublishing(request: PublishRequest): boolean
}

/**
 * Works out what of all that clusters ask for is published now, checks it as an apply is checked, and commits what has changed. An object
 * that is wrong keeps nobody else's back, and leaves in the mesh what it said while it was right. Withdrawals are not checked: what has gone
 * from its cluster, or may not be there, can't stay because others lean on it.
 */
export const publishCandidates = async (store: PublishingStore): Promise<void> => {
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
    const base = await readBaseConfiguration(store.id, store)
    const wishes = store.readWishes()
    const plan = planPublishing(store, wishes, base)
    const refusals = await findRefusals(store, base, plan)
    if (store.commitPublishing(toRequest(wishes, base, plan, refusals))) return
  }
}

interface Write {
  readonly wish: Wish
  readonly key: string
  readonly object: ConfigObject
}

interface Plan {
  readonly writes: readonly Write[]
  /** Keys of the mesh's objects whose cluster publishes them no more, and nobody else does. */
  readonly withdrawn: readonly { readonly key: string; readonly cluster: string }[]
  readonly standings: ReadonlyMap<Wish, Standing>
  /** What wishes ask for beyond what was granted. */
  readonly overreach: ReadonlyMap<Wish, Overreach>
}

const toHolder = (base: BaseConfiguration, key: string): Holder => {
  const present = base.objects.get(key)?.object
  if (!present) return undefined
  const cluster = publisherOf(present.metadata)
  return cluster === undefined ? { by: 'mesh' } : { by: 'cluster', cluster }
}

const planPublishing = (store: PublishingStore, all: Wishes, base: BaseConfiguration): Plan => {
  const { wishes, scopeOf } = all
  const checkReach = createReachCheck(store, all, base)
  const overreach = new Map<Wish, Overreach>()
  const writes: Write[] = []
  const kept = new Set<string>()
  const standings = new Map<Wish, Standing>()
  for (const [key, ofKey] of Map.groupBy(wishes, (wish) => wish.key)) {
    const holder = toHolder(base, key)
    const contenders = ofKey.map((wish) => {
      const { cluster, since } = wish
      const holds = holder?.by === 'cluster' && holder.cluster === cluster
      const { fault, mayStay } = checkReach(wish, holds)
      if (fault) overreach.set(wish, fault)
      const isGranted = scopeOf(wish) !== undefined && mayStay
      return { wish, cluster, since, isGranted, isValid: wish.problem === null && !fault }
    })
    const choice = choosePublished(contenders, holder)
    for (const [{ wish }, standing] of choice.standings) standings.set(wish, standing)
    if (!choice.chosen) continue
    kept.add(key)
    const { wish, isValid } = choice.chosen
    const holds = holder?.by === 'cluster' && holder.cluster === wish.cluster
    if (isValid && (wish.changed || !holds))
      writes.push({ wish, key, object: toPublishedObject(store.readCandidate(wish.cluster, key), wish.cluster) })
  }
  const withdrawn = [...base.objects].flatMap(([key, { object }]) => {
    const cluster = publisherOf(object.metadata)
    return cluster === undefined || kept.has(key) ? [] : [{ key, cluster }]
  })
  return { writes, withdrawn, standings, overreach }
}

/**
 * The writes that can't be made, each with why. What is wrong by itself is taken out, and the rest is looked at again: it may have leaned on
 * that. What breaks the objects of others is found by halves, the earlier object before the later one.
 */
const findRefusals = async (
  store: PublishingStore,
  base: BaseConfiguration,
  { writes, withdrawn }: Plan,
): Promise<ReadonlyMap<Write, Problem>> => {
  // What is withdrawn is no part of what the writes are checked against, and breaks nothing that counts.
  const objects = new Map(base.objects)
  for (const { key } of withdrawn) objects.delete(key)
  const without = { ...base, objects }
  let trials = 0
  const findErrors = async (some: readonly Write[]): Promise<readonly Problem[]> => {
    if (some.length === 0) return []
    trials += 1
    return (await findProblems(store, without, some, [])).filter(({ severity }) => severity === 'error')
  }

  const refusals = new Map<Write, Problem>()
  const accepted: Write[] = []
  let left = writes
  let errors = await findErrors(left)
  for (;;) {
    const wrong = left.flatMap((write) => {
      const error = errors.find((problem) => isAbout(problem, write))
      return error ? [[write, error] as const] : []
    })
    if (wrong.length === 0 || trials >= MAX_TRIALS) break
    for (const [write, error] of wrong) refusals.set(write, error)
    left = left.filter((write) => !refusals.has(write))
    errors = await findErrors(left)
  }

  const settle = async (some: readonly Write[], found: readonly Problem[]): Promise<void> => {
    const [first] = found
    if (!first) accepted.push(...some)
    else if (some.length === 1 || trials >= MAX_TRIALS)
      for (const write of some) refusals.set(write, found.find((error) => isAbout(error, write)) ?? toBreach(first))
    else {
      const middle = Math.ceil(some.length / 2)
      for (const half of [some.slice(0, middle), some.slice(middle)])
        await settle(half, await findErrors([...accepted, ...half]))
    }
  }
  await settle(left, errors)
  return refusals
}

const isAbout = ({ object }: Problem, { key }: Write): boolean =>
  object !== undefined && toObjectKey(object.kind, object.namespace, object.name) === key

const toBreach = (error: Problem): Problem => {
  const { object, path, message } = error
  const other = object ? `${object.kind} ${object.namespace}/${object.name}` : 'another object'
  return { ...error, path: '', message: `it would break ${other}: ${path} ${message}` }
}

const toRequest = (
  { wishes, isMember, wanted }: Wishes,
  base: BaseConfiguration,
  { writes, withdrawn, standings, overreach }: Plan,
  refusals: ReadonlyMap<Write, Problem>,
): PublishRequest => {
  const refused = new Map([...refusals].map(([{ wish }, problem]) => [wish, problem]))
  const isOthers = (cluster: string, key: string): boolean => {
    const holder = toHolder(base, key)
    return holder?.by === 'cluster' && holder.cluster !== cluster
  }
  const asked = new Set(wishes.map(({ cluster, key }) => `${cluster}/${key}`))
  // Who was to take a key over can't: what its last holder said goes all the same.
  const leftBehind = [...refused.keys()].flatMap(({ cluster, key }) => {
    const holder = toHolder(base, key)
    return holder?.by === 'cluster' && holder.cluster !== cluster ? [{ key, cluster: holder.cluster }] : []
  })
  return {
    wanted,
    baseRevision: base.revision,
    upserts: writes
      .filter((write) => !refusals.has(write))
      .map(({ wish: { cluster }, key, object }) => ({ cluster, key, object, takesOver: isOthers(cluster, key) })),
    withdrawn: [...withdrawn, ...leftBehind].map(({ key, cluster }) => ({
      key,
      // Who still asks for it, or is out of the mesh, has not taken it away itself.
      cluster: isMember(cluster) && !asked.has(`${cluster}/${key}`) ? cluster : null,
    })),
    verdicts: wishes.map((wish): Verdict => {
      const standing = standings.get(wish) ?? 'not_granted'
      const holder = toHolder(base, wish.key)
      const problem = refused.get(wish) ?? overreach.get(wish) ?? (standing === 'refused' ? wish.problem : null)
      if (!problem)
        return { wish, state: states[standing], ...explain(wish, standing, holder), isInMesh: standing === 'chosen' }
      const { path, message } = problem
      // What overreaches as it is published stands as if it were not granted.
      const isInMesh = holder?.by === 'cluster' && holder.cluster === wish.cluster && standing !== 'not_granted'
      return {
        wish,
        state: 'refused',
        path,
        message: isInMesh ? `${message}; the mesh keeps what it said before` : message,
        isInMesh,
      }
    }),
  }
}

const states = {
  chosen: 'published',
  not_granted: 'not_granted',
  refused: 'refused',
  shadowed: 'shadowed',
  conflict: 'conflict',
} as const satisfies Record<Standing, Verdict['state']>

/** What to tell its cluster of an object that is right by itself. */
const explain = ({ cluster, kind, namespace }: Wish, standing: Standing, holder: Holder): { message?: string } => {
  switch (standing) {
    case 'not_granted':
      return {
        message: `no grant lets the cluster ${cluster} publish it: "atoll publish grant --cluster ${cluster} --namespace ${namespace} --kind ${kind}"`,
      }
    case 'shadowed':
      return { message: 'the mesh has an object of this name that was applied to it, which holds' }
    case 'conflict':
      return {
        message:
          holder?.by === 'cluster'
            ? `the cluster ${holder.cluster} publishes an object of this name, which holds`
            : 'another cluster publishes an object of this name, which holds',
      }
    default:
      return {}
  }
}
