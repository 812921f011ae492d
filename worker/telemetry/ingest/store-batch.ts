import { AtollError } from '#api/atoll-error.ts'
import type { Taken } from '../telemetry-store.ts'

/** Has a store take a batch. Throws AtollError when it does not: `forbidden` for good, `unavailable` when it may later. */
export const storeBatch = async (take: () => Promise<Taken>): Promise<void> => {
  switch (await take()) {
    case 'stored':
    case 'known':
      return
    case 'ended':
      throw new AtollError('forbidden', 'the cluster has been evicted since this token was made')
    case 'full':
      throw new AtollError('unavailable', 'too much waits to be archived: send it later')
  }
}
