import { lookup } from 'node:dns/promises'
import type { Fetching } from './fetch-bytes.ts'

type Resolve = Fetching['resolve']

/** Looks up one name after the other, and none that nobody waits for any more. */
export const oneAtATime = (resolve: (hostname: string) => ReturnType<Resolve>): Resolve => {
  let last: Promise<unknown> = Promise.resolve()
  return (hostname, signal) => {
    const found = last.then(async () => {
      signal.throwIfAborted()
      return resolve(hostname)
    })
    last = found.catch(() => {})
    return found
  }
}

/**
 * Names that people's objects say, of the whole process. Node has two threads for names, which can't be told to stop: whoever names places
 * whose names take long is not to keep the agent from looking up the plane's, or a gateway's.
 */
export const lookUp: Resolve = oneAtATime((hostname) => lookup(hostname, { all: true }))
