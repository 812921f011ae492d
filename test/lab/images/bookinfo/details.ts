import { notFound, parseId, serve } from './serve.ts'

serve((_request, path) => {
  if (path === '/health') return { body: { status: 'Details is healthy' } }
  const id = parseId(path, '/details/')
  if (id === undefined) return notFound
  if (!/^\d+$/.test(id)) return { status: 400, body: { error: 'please provide numeric product id' } }
  return {
    body: {
      id: Number(id),
      author: 'William Shakespeare',
      year: 1595,
      type: 'paperback',
      pages: 200,
      publisher: 'PublisherA',
      language: 'English',
      'ISBN-10': '1234567890',
      'ISBN-13': '123-1234567890',
    },
  }
})
