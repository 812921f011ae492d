import { z } from 'zod'
import type { Reply } from './call.ts'

export interface Page {
  readonly product: { readonly title: string; readonly descriptionHtml: string }
  readonly user: string
  readonly details: Reply
  readonly reviews: Reply
}

const detailsBody = z.record(z.string(), z.unknown())
const reviewsBody = z.object({
  podname: z.string(),
  clustername: z.string(),
  reviews: z.array(
    z.object({
      reviewer: z.string(),
      text: z.string(),
      rating: z.union([z.object({ stars: z.number(), color: z.string() }), z.object({ error: z.string() })]).optional(),
    }),
  ),
})
type Reviews = z.output<typeof reviewsBody>
type Rating = Reviews['reviews'][number]['rating']

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
const escape = (text: unknown): string => String(text).replace(/[&<>"]/g, (character) => escapes[character] ?? '')

const toDocument = (content: string): string => `<!DOCTYPE html>
<html><head><meta charset="utf-8"><title>Simple Bookstore App</title></head>
<body>
${content}
</body></html>
`

export const renderIndex = (): string =>
  toDocument('<h1>BookInfo Sample</h1>\n<p><a href="/productpage">The product page</a></p>')

/** What the page shows is what Istio's shows, without its looks. */
export const renderProductPage = ({ product, user, details, reviews }: Page): string =>
  toDocument(
    [
      user === ''
        ? '<form method="post" action="login"><input name="username" required><button>Sign in</button></form>'
        : `<p>${escape(user)} <a href="logout">Sign out</a></p>`,
      `<h1>${escape(product.title)}</h1>`,
      `<p>${product.descriptionHtml}</p>`,
      renderDetails(details),
      renderReviews(reviews),
    ].join('\n'),
  )

const renderDetails = ({ status, body }: Reply): string => {
  const parsed = detailsBody.parse(body)
  if (status !== 200) return renderFailure('details', parsed)
  const shown = ['ISBN-10', 'publisher', 'pages', 'type', 'language']
  const rows = shown.map((name) => `<tr><th>${name}</th><td>${escape(parsed[name])}</td></tr>`)
  return ['<h4>Book Details</h4>', '<table>', ...rows, '</table>'].join('\n')
}

const renderReviews = ({ status, body }: Reply): string => {
  if (status !== 200) return renderFailure('reviews', detailsBody.parse(body))
  const { podname, clustername, reviews } = reviewsBody.parse(body)
  const cluster = clustername === 'null' ? '' : ` on cluster ${escape(clustername)}`
  const sections = reviews.map(({ reviewer, text, rating }) =>
    [
      '<section>',
      renderRating(rating),
      `<blockquote><p>"${escape(text)}"</p></blockquote>`,
      `<p>${escape(reviewer)}</p>`,
      `<p>Reviews served by: ${escape(podname)}${cluster}</p>`,
      '</section>',
    ].join('\n'),
  )
  return ['<h4>Book Reviews</h4>', ...sections].join('\n')
}

const renderRating = (rating: Rating): string => {
  if (rating === undefined) return ''
  if ('error' in rating) return `<p class="text-red-500">${escape(rating.error)}</p>`
  const { stars, color } = rating
  return `<p class="text-${escape(color)}-500">${'★'.repeat(stars)}${'☆'.repeat(5 - stars)}</p>`
}

const renderFailure = (part: string, { error }: Readonly<Record<string, unknown>>): string =>
  `<p>Error fetching product ${part}</p>\n<p>${escape(error)}</p>`
