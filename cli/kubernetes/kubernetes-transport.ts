import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { RequestOptions } from 'node:https'
import { text } from 'node:stream/consumers'
import { toErrorMessage } from '#mesh/error-message.ts'
import { parseJson } from '#mesh/parse-json.ts'
import { CliError } from '../cli-error.ts'

const TIMEOUT_MS = 30_000

export interface KubernetesRequest {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  /** With its query. */
  readonly path: string
  readonly body?: object
  readonly contentType?: string
}

export interface KubernetesAnswer {
  readonly status: number
  readonly text: string
  /** The text's JSON, undefined when it is none. */
  readonly content: unknown
}

/** The API server of one cluster, as the person at the command line. */
export interface KubernetesTransport {
  /** URL of the API server, for messages. */
  readonly server: string
  /** Every answer is a result, also a refusal; throws CliError `unavailable` when there is none. */
  send(request: KubernetesRequest): Promise<KubernetesAnswer>
}

/** A way to the cluster that a context of the kubeconfig (KUBECONFIG, or ~/.kube/config) names. */
export const connectKubernetes = async (context: string): Promise<KubernetesTransport> => {
  // Half a second to load: only for who talks to Kubernetes.
  const { KubeConfig } = await import('@kubernetes/client-node')
  const config = new KubeConfig()
  try {
    config.loadFromDefault()
  } catch (error) {
    throw new CliError('usage', `The kubeconfig cannot be read: ${toErrorMessage(error)}`, { cause: error })
  }
  const contexts = config.getContexts().map(({ name }) => name)
  if (!contexts.includes(context)) {
    throw new CliError('usage', `The kubeconfig has no context ${context}`, {
      remedy: contexts.length === 0 ? 'Set KUBECONFIG.' : `It has ${contexts.join(', ')}.`,
    })
  }
  config.setCurrentContext(context)
  const server = config.getCurrentCluster()?.server.replace(/\/+$/, '')
  if (server === undefined) throw new CliError('usage', `Context ${context} of the kubeconfig names no cluster`)

  const send = async ({ method, path, body, contentType = 'application/json' }: KubernetesRequest) => {
    const payload = body === undefined ? undefined : JSON.stringify(body)
    const options: RequestOptions = {
      method,
      headers: { accept: 'application/json', ...(payload !== undefined && { 'content-type': contentType }) },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    }
    try {
      await config.applyToHTTPSOptions(options)
      return await exchange(`${server}${path}`, options, payload)
    } catch (error) {
      throw new CliError('unavailable', `The API server ${server} of context ${context} gives no answer`, {
        remedy: `${toErrorMessage(error)}. Does "kubectl --context ${context} get namespaces" work?`,
        cause: error,
      })
    }
  }
  return { server, send }
}

const exchange = (url: string, options: RequestOptions, payload: string | undefined): Promise<KubernetesAnswer> =>
  new Promise((resolve, reject) => {
    const start = url.startsWith('http:') ? httpRequest : httpsRequest
    const request = start(url, options, (response) => {
      const { statusCode: status = 0 } = response
      text(response).then((answer) => resolve({ status, text: answer, content: parseJson(answer) }), reject)
    })
    request.on('error', reject)
    request.end(payload)
  })
