import { hasLabels } from '../has-labels.ts'
import { MultiMap } from '../merge/multi-map.ts'

interface Labelled {
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
}

interface Selecting {
  /** Null selects nothing; without labels it selects the whole namespace. */
  readonly selector: Labelled | null
}

/**
 * Which selectors select which workloads of their namespace, found by label and not by looking at all of them. A selector
 * selects what carries all of its labels.
 */
export class SelectorIndex<Selector extends Selecting, Workload extends Labelled> {
  /** Each under the first of its places. */
  readonly #selectors = new MultiMap<string, Selector>()
  /** Each under all of its places. */
  readonly #workloads = new MultiMap<string, Workload>()

  addSelector(item: Selector): void {
    if (item.selector) this.#selectors.add(toPlaces(item.selector)[0], item)
  }

  deleteSelector(item: Selector): void {
    if (item.selector) this.#selectors.delete(toPlaces(item.selector)[0], item)
  }

  addWorkload(workload: Workload): void {
    for (const place of toPlaces(workload)) this.#workloads.add(place, workload)
  }

  deleteWorkload(workload: Workload): void {
    for (const place of toPlaces(workload)) this.#workloads.delete(place, workload)
  }

  selectorsOf(workload: Workload): readonly Selector[] {
    return toPlaces(workload)
      .flatMap((place) => [...this.#selectors.get(place)])
      .filter((item) => isSelected(workload, item))
  }

  workloadsOf(item: Selector): readonly Workload[] {
    if (!item.selector) return []
    const candidates = toPlaces(item.selector).map((place) => this.#workloads.get(place))
    const fewest = candidates.reduce((least, other) => (other.size < least.size ? other : least))
    return [...fewest].filter((workload) => isSelected(workload, item))
  }
}

/** Where to look for something: each of its labels, and last its namespace. */
const toPlaces = ({ namespace, labels }: Labelled): readonly [string, ...string[]] => {
  const [first, ...others] = Object.entries(labels).map(([name, value]) => `${namespace}/${name}=${value}`)
  return first === undefined ? [namespace] : [first, ...others, namespace]
}

const isSelected = (workload: Labelled, { selector }: Selecting): boolean =>
  selector !== null && hasLabels(workload.labels, selector.labels)
