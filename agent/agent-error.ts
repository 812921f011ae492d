import { toErrorMessage } from '#mesh/error-message.ts'

/** What the agent can't go on with by itself. The code decides the exit code; the message is for people and holds no secret. */
export type AgentErrorCode =
  | 'bad_config'
  | 'not_joined'
  | 'join_refused'
  | 'bad_join_answer'
  | 'unreachable'
  | 'store_unusable'
  | 'address_in_use'

export class AgentError extends Error {
  override readonly name = 'AgentError'
  readonly code: AgentErrorCode

  constructor(code: AgentErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.code = code
  }
}

/** Why an address can't be listened on. */
export const toAddressError = (
  { host, port }: { readonly host: string; readonly port: number },
  cause: unknown,
): AgentError =>
  new AgentError('address_in_use', `${host}:${port} can't be listened on: ${toErrorMessage(cause)}`, { cause })
