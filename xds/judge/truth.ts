/** Whether something is so; or what would have to be known for that to be said. */
export type Truth = boolean | Unknown

export interface Unknown {
  readonly missing: readonly string[]
}

export const notKnown = (...missing: readonly string[]): Unknown => ({ missing })

export const isUnknown = (truth: Truth): truth is Unknown => typeof truth !== 'boolean'

export const not = (truth: Truth): Truth => (isUnknown(truth) ? truth : !truth)

/** One that is not so decides, whatever the others are. */
export const all = (truths: readonly Truth[]): Truth => (truths.includes(false) ? false : (merge(truths) ?? true))

/** One that is so decides. */
export const some = (truths: readonly Truth[]): Truth => (truths.includes(true) ? true : (merge(truths) ?? false))

const merge = (truths: readonly Truth[]): Unknown | undefined => {
  const missing = truths.flatMap((truth) => (isUnknown(truth) ? truth.missing : []))
  return missing.length > 0 ? notKnown(...new Set(missing)) : undefined
}
