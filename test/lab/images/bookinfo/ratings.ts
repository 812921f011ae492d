import { text } from 'node:stream/consumers'
import { notFound, parseId, serve, type Answer } from './serve.ts'

const added = new Map<string, unknown>()

const toRatings = (id: string): Answer => ({
  body: { id: Number(id), ratings: added.get(id) ?? { Reviewer1: 5, Reviewer2: 4 } },
})

serve(async (request, path) => {
  if (path === '/health') return { body: { status: 'Ratings is healthy' } }
  const id = parseId(path, '/ratings/')
  if (id === undefined) return notFound
  if (!/^\d+$/.test(id)) return { status: 400, body: { error: 'please provide numeric product ID' } }
  if (request.method !== 'POST') return toRatings(id)
  try {
    added.set(id, JSON.parse(await text(request)))
  } catch {
    return { status: 400, body: { error: 'please provide valid ratings JSON' } }
  }
  return toRatings(id)
})
