import { join } from 'node:path'

export const repository = join(import.meta.dirname, '../../..')
/** What the lab builds and writes; not committed. */
export const labCache = join(repository, '.cache/lab')
