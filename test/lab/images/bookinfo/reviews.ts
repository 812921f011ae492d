import type { IncomingMessage } from 'node:http'
import { z } from 'zod'
import { call, toForwardedHeaders } from './call.ts'
import { notFound, parseId, serve } from './serve.ts'

// v1 asks for no ratings, v2 shows black stars, v3 red ones.
const { ENABLE_RATINGS, STAR_COLOR: color = 'black', HOSTNAME, CLUSTER_NAME = 'null' } = process.env
const hasRatings = ENABLE_RATINGS === 'true'
// Longer than the product page waits: the fault injection task of Istio's documentation is about this.
const timeoutMilliseconds = color === 'black' ? 10_000 : 2500

const texts = {
  Reviewer1: 'An extremely entertaining play by Shakespeare. The slapstick humour is refreshing!',
  Reviewer2:
    'Absolutely fun and entertaining. The play lacks thematic depth when compared to other plays by Shakespeare.',
}

const ratings = z.object({ ratings: z.record(z.string(), z.number()) })

const askForRatings = async (id: string, { headers }: IncomingMessage): Promise<Record<string, number>> => {
  const user = headers['end-user']
  const forwarded = { ...toForwardedHeaders(headers), ...(typeof user === 'string' && { 'end-user': user }) }
  const reply = await call('ratings', id, forwarded, timeoutMilliseconds)
  const parsed = ratings.safeParse(reply?.body)
  if (reply?.status === 200 && parsed.success) return parsed.data.ratings
  console.log(`Error: unable to contact ratings, got ${reply?.status ?? 'no answer'}`)
  return {}
}

serve(async (request, path) => {
  if (path === '/health') return { body: { status: 'Reviews is healthy' } }
  const id = parseId(path, '/reviews/')
  if (id === undefined || !/^\d+$/.test(id)) return notFound
  const found = hasRatings ? await askForRatings(id, request) : {}
  const toRating = (stars: number | undefined) =>
    stars === undefined ? { error: 'Ratings service is currently unavailable' } : { stars, color }
  const reviews = Object.entries(texts).map(([reviewer, text]) => ({
    reviewer,
    text,
    ...(hasRatings && { rating: toRating(found[reviewer]) }),
  }))
  return { body: { id, podname: HOSTNAME, clustername: CLUSTER_NAME, reviews } }
})
