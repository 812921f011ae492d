import { env, exports } from 'cloudflare:workers'
import type { ProblemDetails } from '#api/problem-details.ts'

declare global {
  namespace Cloudflare {
    interface GlobalProps {
      mainModule: typeof import('#worker/main.ts')
    }
  }
}

export const SETUP_TOKEN = 'atoll_setup_of_the_tests'
export const ORIGIN = 'http://plane.test'

export interface Answer<Body> {
  readonly status: number
  readonly headers: Headers
  readonly body: Body
}

export interface RequestParts {
  readonly token?: string | undefined
  readonly body?: unknown
  readonly yaml?: string
  readonly headers?: Record<string, string>
}

/** One request to the worker, through its own fetch. */
export const send = async <Body = ProblemDetails>(
  method: string,
  path: string,
  { token, body, yaml, headers = {} }: RequestParts = {},
): Promise<Answer<Body>> => {
  const request = new Request(`${ORIGIN}${path}`, {
    method,
    headers: {
      ...(token !== undefined && { Authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'Content-Type': 'application/json' }),
      ...(yaml !== undefined && { 'Content-Type': 'application/yaml' }),
      ...headers,
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    ...(yaml !== undefined && { body: yaml }),
  })
  const response = await exports.default.fetch(request)
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    body: (text === '' ? undefined : JSON.parse(text)) as Body,
  }
}

let owner: Promise<string> | undefined

/** The owner token of this file's plane, which is set up at the first call. */
export const setUpPlane = (): Promise<string> => {
  owner ??= send<{ token: { secret: string } }>('POST', '/v1/setup', {
    body: { setupToken: SETUP_TOKEN, org: 'acme' },
  }).then(({ body }) => body.token.secret)
  return owner
}

/** Between two files, whose planes have nothing in common. */
export const forgetPlane = (): void => {
  owner = undefined
}

export interface IssuedToken {
  readonly id: string
  readonly secret: string
}

/** Another token of the org: an owner's, but for what is said otherwise. */
export const makeToken = async (body: Record<string, unknown>): Promise<IssuedToken> => {
  const token = await setUpPlane()
  return (await send<IssuedToken>('POST', '/v1/tokens', { token, body: { name: 'a test', role: 'owner', ...body } }))
    .body
}

let meshes = 0

/** A mesh of its own for a test, and a way to send requests about it as its owner. */
export const createTestMesh = async (settings: Record<string, unknown> & { readonly name?: string } = {}) => {
  const token = await setUpPlane()
  const { name = `mesh-${(meshes += 1)}`, ...rest } = settings
  const { body } = await send<{ id: string }>('POST', '/v1/meshes', { token, body: { name, ...rest } })
  const path = `/v1/meshes/${name}`
  return {
    id: body.id,
    name,
    token,
    stub: env.MESH.get(env.MESH.idFromName(body.id)),
    send: <Body = ProblemDetails>(method: string, rest: string, parts: RequestParts = {}) =>
      send<Body>(method, `${path}${rest}`, { token, ...parts }),
  }
}
export type TestMesh = Awaited<ReturnType<typeof createTestMesh>>
