import { html } from 'hono/html'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { ProblemDetails } from '#api/problem-details.ts'
import { beginSession, beginSignIn, endSignIn } from '#api/routes/sign-in.ts'
import type { AppContext } from '../app-env.ts'
import { answerPage } from './page.ts'

const forBrowsers = new Set<string>([beginSignIn.path, beginSession.path, endSignIn.path])

/** Whether somebody looks at the answer: a browser goes to where people are sent, or to what is no part of the API. */
export const isForPeople = (c: AppContext): boolean => {
  const { method, path } = c.req
  const isPage = forBrowsers.has(path) || !/^\/v1(?:\/|$)/.test(path)
  return method === 'GET' && isPage && (c.req.header('Accept') ?? '').includes('text/html')
}

/** From the path of a request to the front page, wherever the plane is. */
const toFrontPage = (path: string): string => '../'.repeat(path.split('/').length - 2) || './'

const toSentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`

/** A refusal, for people. */
export const answerProblemPage = (
  c: AppContext,
  { title, detail = title, requestId }: ProblemDetails,
  status: ContentfulStatusCode,
) =>
  answerPage(
    c,
    {
      title: 'Atoll',
      body: html`<main>
        <h1>Atoll</h1>
        <p>${toSentence(detail)}</p>
        <p><a href="${toFrontPage(c.req.path)}">To the front page</a></p>
        <p><small>Request ${requestId}</small></p>
      </main>`,
    },
    status,
  )
