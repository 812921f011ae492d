import type { MeshView, ViewKey } from '#mesh/view.ts'
import { getOrAdd } from '#mesh/merge/get-or-add.ts'
import type { CompileProblem, Unit } from './incremental/unit.ts'
import { UnitGraph, type UnitProblem } from './incremental/unit-graph.ts'
import { toProxyName, type Proxy } from './proxy.ts'
import { ResourceSet } from './resource-set.ts'
import { proxyUnit } from './units/proxy-unit.ts'

/** What a proxy is to be given. The names of resources in its sets are disjoint. */
export interface ProxyResources {
  /** First what it shares with all proxies of its class, then what with those of its node (if services tell nodes apart), then what is its own. Read it anew after an update that moved the proxy. */
  readonly sets: readonly ResourceSet[]
  /**
   * Why it could not be compiled, if it was not before either: that something is not in the sets says nothing then of what the proxy is to
   * have.
   */
  readonly blockedBy: CompileProblem | undefined
}

export interface CompileResult {
  /** The revision that all attached proxies are now compiled for. */
  readonly revision: number
  /** The sets that have a new generation. */
  readonly changed: readonly ResourceSet[]
  /** The proxies that belong to another class now, or are at another place, by `toProxyName`: their sets are not those from before. */
  readonly moved: readonly string[]
  /** All that is wrong now, not only what this update met. */
  readonly problems: readonly UnitProblem[]
}

/**
 * Turns a mesh and its proxies into Envoy's resources. Secrets are not among them: they are referred to by `secretNames`.
 */
export interface Compiler {
  /** Compiles what a proxy needs and nobody needed so far. Every `attach` asks for a `detach`. */
  attach(proxy: Proxy): ProxyResources
  /** A proxy that comes back soon finds its class as it was: the last few without members are kept, and kept up to date. */
  detach(proxy: Proxy): void
  /**
   * Brings all sets up to date after the view has changed. Only what read a touched key is compiled again; what fails keeps its last
   * good output and is among the problems.
   */
  update(touched: ReadonlySet<ViewKey>, revision: number): CompileResult
}

/** Proxies that share a set. */
interface ProxyClass {
  readonly root: Unit
  readonly set: ResourceSet
  members: number
  readonly parts: Map<string, ClassPart>
}

/** Those of a class that are at one place, and share what differs by place. */
interface ClassPart {
  readonly place: string
  readonly set: ResourceSet
  members: number
}

interface AttachedProxy {
  readonly name: string
  readonly root: Unit
  readonly own: ResourceSet
  proxyClass: ProxyClass | undefined
  part: ClassPart | undefined
  /** What `resources` tells: a new list when the class is another one. */
  sets: readonly ResourceSet[]
  attachments: number
  readonly resources: ProxyResources
}

/** Classes without members that are kept. */
export const MAX_IDLE_CLASSES = 8

export const createCompiler = (view: MeshView): Compiler => {
  const graph = new UnitGraph(view)
  const classes = new Map<string, ProxyClass>()
  /** Those without members, the longest idle first. */
  const idle = new Set<ProxyClass>()
  const proxies = new Map<string, AttachedProxy>()

  const enterClass = (root: Unit): ProxyClass => {
    let proxyClass = classes.get(root.key)
    if (!proxyClass) {
      proxyClass = { root, set: new ResourceSet(root.key), members: 0, parts: new Map() }
      classes.set(root.key, proxyClass)
      graph.fill(proxyClass.set, root)
    }
    idle.delete(proxyClass)
    proxyClass.members++
    return proxyClass
  }

  const leaveClass = (proxyClass: ProxyClass): void => {
    proxyClass.members--
    if (proxyClass.members > 0) return
    idle.add(proxyClass)
    const [oldest] = idle
    if (!oldest || idle.size <= MAX_IDLE_CLASSES) return
    idle.delete(oldest)
    classes.delete(oldest.root.key)
    graph.drop(oldest.set, oldest.root)
  }

  const enterPart = ({ set: of, parts }: ProxyClass, place: string): ClassPart => {
    const part = getOrAdd(parts, place, () => {
      const set = new ResourceSet(`${of.id}|at ${place}`)
      graph.fillPart(set, of, place)
      return { place, set, members: 0 }
    })
    part.members++
    return part
  }

  const leavePart = ({ set, parts }: ProxyClass, part: ClassPart): void => {
    if (--part.members > 0) return
    parts.delete(part.place)
    graph.dropPart(set, part.place)
  }

  /** Tells whether the proxy belongs to another class than before, or is at another place. */
  const settleClass = (proxy: AttachedProxy): boolean => {
    const { proxyClass: before, part: partBefore } = proxy
    const { sharedRoot: root, place } = graph.outputOf(proxy.root) ?? {}
    if (root?.key === before?.root.key && place === partBefore?.place) return false
    proxy.proxyClass = root && enterClass(root)
    proxy.part = proxy.proxyClass && place !== undefined ? enterPart(proxy.proxyClass, place) : undefined
    proxy.sets = [proxy.proxyClass, proxy.part].flatMap((shared) => shared?.set ?? []).concat(proxy.own)
    if (before) leave(before, partBefore)
    return true
  }

  const leave = (proxyClass: ProxyClass, part: ClassPart | undefined): void => {
    if (part) leavePart(proxyClass, part)
    leaveClass(proxyClass)
  }

  return {
    attach(proxy) {
      const name = toProxyName(proxy)
      const known = proxies.get(name)
      if (known) {
        known.attachments++
        return known.resources
      }
      const own = new ResourceSet(name)
      const attached: AttachedProxy = {
        name,
        root: proxyUnit(proxy),
        own,
        proxyClass: undefined,
        part: undefined,
        attachments: 1,
        resources: {
          get sets() {
            return attached.sets
          },
          get blockedBy() {
            const { root, proxyClass, part } = attached
            return (
              graph.blockedBy(root) ??
              (proxyClass && graph.blockedBy(proxyClass.root)) ??
              (part && graph.partBlockedBy(part.set))
            )
          },
        },
        sets: [own],
      }
      proxies.set(name, attached)
      graph.fill(attached.own, attached.root)
      settleClass(attached)
      return attached.resources
    },

    detach(proxy) {
      const name = toProxyName(proxy)
      const attached = proxies.get(name)
      if (!attached || --attached.attachments > 0) return
      proxies.delete(name)
      graph.drop(attached.own, attached.root)
      if (attached.proxyClass) leave(attached.proxyClass, attached.part)
    },

    update(touched, revision) {
      const changed = graph.update(touched)
      const moved = [...proxies.values()].filter(settleClass).map(({ name }) => name)
      return { revision, changed, moved, problems: graph.problems() }
    },
  }
}
