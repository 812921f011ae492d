import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { CliError } from '../cli-error.ts'
import { toListPath, toObjectPath, toObjectText } from './kubernetes-object.ts'
import type { KubernetesObject, ObjectReference, ResourceType } from './kubernetes-object.ts'
import type { KubernetesAnswer, KubernetesRequest, KubernetesTransport } from './kubernetes-transport.ts'

/** Owner of the fields that `atoll` applies: also how it knows what it has installed. */
export const fieldManager = 'atoll'
const PAGE_SIZE = 500

const foundObject = z.looseObject({
  metadata: z.looseObject({
    name: z.string(),
    namespace: z.string().optional(),
    resourceVersion: z.string(),
    labels: z.record(z.string(), z.string()).default({}),
    annotations: z.record(z.string(), z.string()).default({}),
    managedFields: z.array(z.looseObject({ manager: z.string().optional() })).default([]),
  }),
})
export type FoundObject = z.infer<typeof foundObject>

const listPage = z.object({
  metadata: z.object({ continue: z.string().optional() }),
  items: z.array(foundObject),
})
const review = z.object({ status: z.object({ allowed: z.boolean() }) })
const statusObject = z.object({ message: z.string() })

/** What `verb` would do to a resource, for "may I". */
export interface Access extends Omit<ResourceType, 'version'> {
  readonly verb: string
  readonly namespace?: string
}

/** Where to list, and (in whole pages) how many at most. */
export interface ListScope {
  readonly namespace?: string
  readonly atMost?: number
}

/** Without the record of who wrote what: an apply that changes nothing may put that in another order, and the version goes up. */
const toContent = ({ metadata, ...content }: FoundObject) => {
  const { resourceVersion: _version, managedFields: _managers, ...named } = metadata
  return { ...content, metadata: named }
}

export type ApplyOutcome = 'created' | 'changed' | 'unchanged'

/** What the commands do in a Kubernetes cluster. A refusal of the API server is a CliError with its words. */
export class KubernetesApi {
  readonly server: string
  readonly #transport: KubernetesTransport

  constructor(transport: KubernetesTransport) {
    this.server = transport.server
    this.#transport = transport
  }

  /** Kubernetes' own version, "v1.36.3". */
  async version(): Promise<string> {
    const content = await this.#succeed({ method: 'GET', path: '/version' })
    return z.object({ gitVersion: z.string() }).parse(content).gitVersion
  }

  /** Undefined = there is none. */
  async find(reference: ObjectReference): Promise<FoundObject | undefined> {
    const request = { method: 'GET', path: toObjectPath(reference) } as const
    const answer = await this.#transport.send(request)
    return answer.status === 404 ? undefined : foundObject.parse(toSuccess(request, answer))
  }

  /**
   * All objects of a resource, everywhere or in a namespace; none where the resource is not known. `query` selects: "fieldSelector=…",
   * "labelSelector=…".
   */
  async list(
    type: ResourceType,
    query: Readonly<Record<string, string>> = {},
    { namespace, atMost = Number.POSITIVE_INFINITY }: ListScope = {},
  ): Promise<FoundObject[]> {
    const found: FoundObject[] = []
    let next: string | undefined
    do {
      const search = new URLSearchParams({
        ...query,
        limit: String(PAGE_SIZE),
        ...(next !== undefined && { continue: next }),
      })
      const request = { method: 'GET', path: `${toListPath(type, namespace)}?${search.toString()}` } as const
      const answer = await this.#transport.send(request)
      if (answer.status === 404) return []
      const page = listPage.parse(toSuccess(request, answer))
      found.push(...page.items)
      next = page.metadata.continue === '' ? undefined : page.metadata.continue
    } while (next !== undefined && found.length < atMost)
    return found
  }

  /** A log, or what a pod answers through the API server (pods/log, pods/proxy). A pod may answer anything; throws when the API server refuses. */
  async readText(path: string): Promise<string> {
    const request = { method: 'GET', path } as const
    const answer = await this.#transport.send(request)
    const isFromPod = statusObject.extend({ kind: z.literal('Status') }).safeParse(answer.content).data === undefined
    if (!isFromPod) toSuccess(request, answer)
    return answer.text
  }

  /** Server-side apply: the fields that are said are ours from now on, those of others stay theirs. */
  async apply(object: KubernetesObject): Promise<ApplyOutcome> {
    const before = await this.find(object)
    const path = `${toObjectPath(object)}?fieldManager=${fieldManager}&force=true`
    const content = await this.#succeed(
      { method: 'PATCH', path, body: object, contentType: 'application/apply-patch+yaml' },
      toObjectText(object),
    )
    if (before === undefined) return 'created'
    return isDeepStrictEqual(toContent(foundObject.parse(content)), toContent(before)) ? 'unchanged' : 'changed'
  }

  /** Merges into the status of an object as it was found: refused as `conflict` when it is another now. */
  async patchStatus(type: ResourceType, { metadata }: FoundObject, status: object): Promise<void> {
    const { namespace, name, resourceVersion } = metadata
    await this.#succeed(
      {
        method: 'PATCH',
        path: `${toListPath(type, namespace)}/${name}/status?fieldManager=${fieldManager}`,
        body: { metadata: { resourceVersion }, status },
        contentType: 'application/merge-patch+json',
      },
      `status of ${type.resource} ${namespace}/${name}`,
    )
  }

  /** Whether there was one. What belongs to the object goes with it. */
  async remove(reference: ObjectReference): Promise<boolean> {
    const request = {
      method: 'DELETE',
      path: toObjectPath(reference),
      body: { propagationPolicy: 'Background' },
    } as const
    const answer = await this.#transport.send(request)
    if (answer.status === 404) return false
    toSuccess(request, answer, toObjectText(reference))
    return true
  }

  /** Whether the person may do it (SelfSubjectAccessReview). */
  async may({ verb, group, resource, namespace }: Access): Promise<boolean> {
    const content = await this.#succeed({
      method: 'POST',
      path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
      body: {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SelfSubjectAccessReview',
        spec: { resourceAttributes: { verb, group, resource, ...(namespace !== undefined && { namespace }) } },
      },
    })
    return review.parse(content).status.allowed
  }

  async #succeed(request: KubernetesRequest, what?: string): Promise<unknown> {
    return toSuccess(request, await this.#transport.send(request), what)
  }
}

const toSuccess = (request: KubernetesRequest, { status, content }: KubernetesAnswer, what = request.path): unknown => {
  if (status >= 200 && status <= 299) return content
  const message = statusObject.safeParse(content).data?.message ?? `HTTP ${status}`
  throw new CliError(toReason(status), `${what}: the API server refuses: ${message}`)
}

const toReason = (status: number): CliError['reason'] => {
  if (status === 401 || status === 403) return 'refused'
  if (status === 404) return 'notFound'
  if (status === 409) return 'conflict'
  if (status === 429 || status >= 500) return 'unavailable'
  return status === 400 || status === 422 ? 'invalid' : 'failed'
}
