import type { ProxyMethod } from '#agent/ads/proxy-methods.ts'
import type { Clock } from '#agent/clock.ts'
import { rateLimit } from '#mesh/config/rate-limit.ts'
import { stateKeys, type StateChange } from '#mesh/state.ts'
import type { MeshView } from '#mesh/view.ts'
import { toLimitFinder } from './find-limit.ts'
import { LimitBook } from './limit-book.ts'
import { toLimitMethod } from './limit-method.ts'

export interface MeshLimitsOptions {
  readonly clock: Pick<Clock, 'now'>
  readonly view: Pick<MeshView, 'rateLimits' | 'meshConfig'>
  /** The book has something to ask the plane now. Called often. */
  readonly onUrgent: () => void
}

/** Limits of the scope MESH at one replica of an agent: what proxies ask of it, and what it asks of the plane. */
export class MeshLimits {
  readonly book: LimitBook
  /** What proxies call. */
  readonly method: ProxyMethod

  constructor({ clock, view, onUrgent }: MeshLimitsOptions) {
    this.book = new LimitBook({ clock, findLimit: toLimitFinder(view), onUrgent })
    this.method = toLimitMethod({ book: this.book, rootNamespace: () => view.meshConfig().rootNamespace })
  }

  /** What the plane says is otherwise now. It is looked at when the view has it, which takes what comes in a burst together (ChangeFlow), a turn later. */
  takeItems(items: readonly StateChange[]): void {
    if (items.some(({ key }) => key.startsWith(limitKeys))) setImmediate(() => this.book.limitsChanged())
  }
}

const limitKeys = stateKeys.config(`${rateLimit.kind}/`)
