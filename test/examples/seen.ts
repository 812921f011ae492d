import { compareText } from '#mesh/merge/compare-text.ts'
import { eventually } from '#test/harness/child.ts'
import type { Echo } from '#test/harness/echo-app.ts'
import type { ApiGateway } from './api-gateway.ts'

export interface Seen {
  /** Which applications answered. */
  readonly apps: readonly string[]
  /** Who they saw call. */
  readonly callers: readonly (string | null)[]
  readonly consumers: readonly (string | undefined)[]
  readonly failed: number
}

/** What requests through an API gateway come to. */
export const see = async (api: ApiGateway, path: string, count = 30): Promise<Seen> => {
  const echoes: Echo[] = []
  for (let index = 0; index < count; index++) {
    const { status, body } = await api.call(path)
    if (status === 200) echoes.push(JSON.parse(body) as Echo)
  }
  const distinct = <Value>(values: readonly Value[]) =>
    [...new Set(values)].sort((left, right) => compareText(String(left), String(right)))
  return {
    apps: distinct(echoes.map(({ app }) => app)),
    callers: distinct(echoes.map(({ caller }) => caller)),
    consumers: distinct(echoes.map(({ headers }) => headers['x-consumer'])),
    failed: count - echoes.length,
  }
}

/** What they come to once both clusters answer, and nothing fails. */
export const seeBothClusters = (api: ApiGateway): Promise<Seen> =>
  eventually('both clusters answer', async () => {
    const seen = await see(api, '/reviews/1')
    return seen.failed === 0 && seen.apps.length === 2 && seen
  })

export const describeSeen = ({ apps, callers, failed }: Seen): string =>
  `${apps.join(' and ') || 'nobody'} saw ${callers.join(', ') || 'nobody'}, ${failed} failed`
