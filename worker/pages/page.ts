import { html, raw } from 'hono/html'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { AppContext } from '../app-env.ts'
import { toBase64Url } from '../encode-bytes.ts'
import { randomBytes } from '../random-bytes.ts'

const NONCE_BYTES = 16

const style = `
  :root { color-scheme: light dark }
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 34rem; margin: 12vh auto; padding: 0 1.5rem }
  h1 { font-size: 1.25rem }
  dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.5rem; margin: 1.5rem 0 }
  dt { opacity: .7 }
  dd { margin: 0; overflow-wrap: anywhere }
  label { display: block; margin: 1.5rem 0 .25rem }
  input, button { font: inherit; padding: .4rem .8rem }
  code { font-size: .9em; overflow-wrap: anywhere }
  small { opacity: .7 }
`

export interface Page {
  readonly title: string
  readonly body: ReturnType<typeof html>
  readonly script?: string
}

/** Answers with a page that loads nothing, is in nobody's frame, and runs no script but its own. */
export const answerPage = (c: AppContext, { title, body, script }: Page, status: ContentfulStatusCode = 200) => {
  const nonce = toBase64Url(randomBytes(NONCE_BYTES))
  const own = `'nonce-${nonce}'`
  c.header(
    'Content-Security-Policy',
    `default-src 'none'; script-src ${own}; style-src ${own}; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  )
  c.header('Cache-Control', 'no-store')
  return c.html(
    html`<!doctype html>
      <html lang="en">
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width" />
        <title>${title}</title>
        <style nonce="${nonce}">
          ${raw(style)}
        </style>
        ${body}
        ${
          script === undefined
            ? ''
            : html`<script type="module" nonce="${nonce}">
                ${raw(script)}
              </script>`
        }
      </html> `,
    status,
  )
}
