import { z } from 'zod'
import { notFound, parseId, serve } from './serve.ts'

// v2 asks elsewhere.
const { ENABLE_EXTERNAL_BOOK_SERVICE, DO_NOT_ENCRYPT } = process.env

const own = {
  author: 'William Shakespeare',
  year: 1595,
  type: 'paperback',
  pages: 200,
  publisher: 'PublisherA',
  language: 'English',
  'ISBN-10': '1234567890',
  'ISBN-13': '123-1234567890',
}

const volumes = z.object({
  items: z.tuple([
    z.object({
      volumeInfo: z.object({
        authors: z.tuple([z.string()]),
        publishedDate: z.string(),
        pageCount: z.number(),
        publisher: z.string(),
      }),
    }),
  ]),
})

const askElsewhere = async (): Promise<object> => {
  const scheme = DO_NOT_ENCRYPT === 'true' ? 'http' : 'https'
  const response = await fetch(`${scheme}://www.googleapis.com/books/v1/volumes?q=isbn:0486424618`)
  const { authors, publishedDate, pageCount, publisher } = volumes.parse(await response.json()).items[0].volumeInfo
  return { ...own, author: authors[0], year: publishedDate, pages: pageCount, publisher }
}

serve(async (_request, path) => {
  if (path === '/health') return { body: { status: 'Details is healthy' } }
  const id = parseId(path, '/details/')
  if (id === undefined) return notFound
  if (!/^\d+$/.test(id)) return { status: 400, body: { error: 'please provide numeric product id' } }
  return { body: { id: Number(id), ...(ENABLE_EXTERNAL_BOOK_SERVICE === 'true' ? await askElsewhere() : own) } }
})
