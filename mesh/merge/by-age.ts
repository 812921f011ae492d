import type { ObjectMeta } from '../config-object.ts'
import { compareText } from './compare-text.ts'

interface HasMetadata {
  readonly metadata: ObjectMeta
}

/** Objects that the store has not dated come last. */
const toTime = ({ metadata }: HasMetadata): number => {
  const time = Date.parse(metadata.creationTimestamp ?? '')
  return Number.isNaN(time) ? Infinity : time
}

/** The oldest first, those of one age by name and then namespace, as Istio settles conflicts. */
export const byAge = (left: HasMetadata, right: HasMetadata): number => {
  const [leftTime, rightTime] = [toTime(left), toTime(right)]
  if (leftTime !== rightTime) return leftTime - rightTime
  return (
    compareText(left.metadata.name, right.metadata.name) ||
    compareText(left.metadata.namespace, right.metadata.namespace)
  )
}
