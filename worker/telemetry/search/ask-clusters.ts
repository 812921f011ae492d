import type { Unavailable } from '#api/schemas/telemetry.ts'
import type { ClusterName } from '#mesh/names.ts'

/** Clusters that are asked at the same time. */
const ASKED_TOGETHER = 16

/** What answers of all stores take in a Worker's memory, should they come at once. */
const MAX_ANSWERS_SIZE = 32 * 1024 * 1024

/** What one of so many stores may answer. */
export const toAnswerSize = (stores: number): number => Math.floor(MAX_ANSWERS_SIZE / Math.max(stores, 1))

export interface Deadlines {
  /** How long one of them may take. */
  readonly eachMs: number
  /** … and all. Who has not answered then is not waited for, nor asked. */
  readonly allMs: number
}

/** An answer is longed for by somebody who looks at a screen. A store's own searching ends well before. */
const deadlines: Deadlines = { eachMs: 12_000, allMs: 25_000 }

export interface Answers<Answer> {
  readonly answers: readonly { readonly cluster: ClusterName; readonly answer: Answer }[]
  readonly unavailable: Unavailable
}

/** Asks the stores of clusters, some at a time. One that fails or takes too long keeps nobody from the others' answers: it is named. */
export const askClusters = async <Answer>(
  clusters: readonly ClusterName[],
  ask: (cluster: ClusterName) => Promise<Answer>,
  { eachMs, allMs }: Deadlines = deadlines,
): Promise<Answers<Answer>> => {
  const answers: { cluster: ClusterName; answer: Answer }[] = []
  const unavailable: Unavailable = []
  const waiting = [...clusters]
  const endMs = Date.now() + allMs
  const work = async (): Promise<void> => {
    for (let cluster = waiting.shift(); cluster !== undefined; cluster = waiting.shift()) {
      try {
        answers.push({ cluster, answer: await askInTime(() => ask(cluster), Math.min(eachMs, endMs - Date.now())) })
      } catch (error) {
        noteNoAnswer(cluster, error)
        unavailable.push({ cluster, reason: 'its store did not answer' })
      }
    }
  }
  await Promise.all(Array.from({ length: ASKED_TOGETHER }, work))
  return { answers, unavailable: unavailable.toSorted((a, b) => (a.cluster < b.cluster ? -1 : 1)) }
}

export const noteNoAnswer = (cluster: ClusterName, error: unknown): undefined => {
  // eslint-disable-next-line no-console -- the platform's log
  console.error(JSON.stringify({ level: 'error', message: 'a store did not answer', cluster, error: String(error) }))
}

/** Throws when there is no answer in so many milliseconds. */
export const askInTime = async <T>(ask: () => Promise<T>, ms: number): Promise<T> => {
  if (ms <= 0) throw new Error('others took all the time that there was')
  let timer: ReturnType<typeof setTimeout> | undefined
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer in ${ms} ms`)), ms)
  })
  try {
    return await Promise.race([ask(), timeout])
  } finally {
    clearTimeout(timer ?? null)
  }
}
