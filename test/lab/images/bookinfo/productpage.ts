import type { IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { call, toForwardedHeaders, type Reply } from './call.ts'
import { renderIndex, renderProductPage } from './render-product-page.ts'
import { notFound, serve, type Answer } from './serve.ts'

const product = {
  id: 0,
  title: 'The Comedy of Errors',
  descriptionHtml:
    '<a href="https://en.wikipedia.org/wiki/The_Comedy_of_Errors">Wikipedia Summary</a>: The Comedy of Errors is one of <b>William Shakespeare\'s</b> early plays.',
}

const timeoutMilliseconds = 3000

type Service = 'details' | 'ratings' | 'reviews'

/** Reviews are asked for twice, as Istio's does: its fault injection task is about this. */
const ask = async (service: Service, id: string, headers: Record<string, string>): Promise<Reply> => {
  let reply: Reply | undefined
  for (let attempt = 0; attempt < (service === 'reviews' ? 2 : 1) && reply?.status !== 200; attempt++)
    reply = await call(service, id, headers, timeoutMilliseconds)
  if (reply?.status === 200) return reply
  const error = `Sorry, product ${service} are currently unavailable for this book.`
  return { status: reply?.status ?? 500, body: { error } }
}

/** Who is signed in. Istio's signs its cookie; this one has nothing to guard. */
const readUser = ({ headers }: IncomingMessage): string => {
  const value = /(?:^|;\s*)session=([^;]*)/.exec(headers.cookie ?? '')?.[1]
  return value === undefined ? '' : decodeURIComponent(value)
}

/** The user is named to the others by a header of the product page's own: one from outside is not passed on. */
const toHeaders = (request: IncomingMessage): Record<string, string> => {
  const user = readUser(request)
  return { ...toForwardedHeaders(request.headers), ...(user !== '' && { 'end-user': user }) }
}

const goBack = ({ headers }: IncomingMessage, cookie: string): Answer => ({
  status: 302,
  headers: { location: headers.referer ?? '/productpage', 'set-cookie': `session=${cookie}; HttpOnly; Path=/` },
  body: '',
})

const signIn = async (request: IncomingMessage): Promise<Answer> => {
  const user = new URLSearchParams(await text(request)).get('username') ?? ''
  return goBack(request, encodeURIComponent(user))
}

const showProduct = async (request: IncomingMessage): Promise<Answer> => {
  const headers = toHeaders(request)
  const details = await ask('details', '0', headers)
  const reviews = await ask('reviews', '0', headers)
  return { body: renderProductPage({ product, user: readUser(request), details, reviews }) }
}

const answerApi = async (request: IncomingMessage, path: string): Promise<Answer> => {
  const [, id, part = 'details'] = /^\/api\/v1\/products\/(\d+)(?:\/(reviews|ratings))?$/.exec(path) ?? []
  return id === undefined ? notFound : ask(part as Service, id, toHeaders(request))
}

serve((request, path) => {
  switch (path) {
    case '/':
    case '/index.html':
      return { body: renderIndex() }
    case '/health':
      return { body: 'Product page is healthy' }
    case '/login':
      return signIn(request)
    case '/logout':
      return goBack(request, '; Max-Age=0')
    case '/productpage':
      return showProduct(request)
    case '/api/v1/products':
      return { body: [product] }
    default:
      return answerApi(request, path)
  }
})
