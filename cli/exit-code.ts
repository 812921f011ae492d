import type { AtollErrorCode } from '#api/atoll-error.ts'

/** What `atoll` exits with: stable, for scripts. docs/reference/cli.md lists them. */
export const exitCodes = {
  ok: { code: 0, meaning: 'Done.' },
  failed: { code: 1, meaning: 'It failed: an error in the plane, or on this machine; `analyze` has found errors.' },
  usage: {
    code: 2,
    meaning: 'The command line is wrong, or a file that it names cannot be read; `analyze` could not run.',
  },
  notInSync: {
    code: 3,
    meaning: 'The time was over before everything was in sync; or `--exit-code` found a difference.',
  },
  refused: { code: 4, meaning: 'Not signed in, or the token may not do this.' },
  notFound: { code: 5, meaning: 'There is no such thing.' },
  conflict: { code: 6, meaning: 'It exists already, has changed meanwhile, or is not in a state that allows this.' },
  invalid: { code: 7, meaning: 'The configuration or the request has errors; nothing was applied.' },
  unavailable: { code: 8, meaning: 'No answer: the plane, or the agent that it has to ask, is away or too busy.' },
  notReachable: {
    code: 9,
    meaning: '`why`: the call does not arrive, or not every time; `authz check`: it gets to nobody who is asked.',
  },
  notKnown: {
    code: 10,
    meaning:
      '`why`: nothing stops the call as far as it can be followed; whether it arrives is not known. `authz check`: whether it is allowed is not.',
  },
  denied: { code: 11, meaning: '`authz check`: the call is denied, or some of it is.' },
  interrupted: { code: 130, meaning: 'Interrupted by Ctrl-C.' },
} as const
export type ExitReason = keyof typeof exitCodes

/** The reason to exit with for every way in which the plane refuses. */
export const exitReasonOf: Readonly<Record<AtollErrorCode, ExitReason>> = {
  invalid_request: 'invalid',
  unauthenticated: 'refused',
  join_refused: 'refused',
  sign_in_refused: 'refused',
  setup_refused: 'refused',
  forbidden: 'refused',
  cross_site_request: 'refused',
  not_found: 'notFound',
  already_exists: 'conflict',
  already_set_up: 'conflict',
  conflict: 'conflict',
  idempotency_conflict: 'conflict',
  revision_mismatch: 'conflict',
  too_large: 'invalid',
  unsupported_media_type: 'failed',
  invalid_configuration: 'invalid',
  csr_refused: 'invalid',
  root_refused: 'invalid',
  limit_reached: 'invalid',
  rate_limited: 'unavailable',
  internal: 'failed',
  unavailable: 'unavailable',
  newer_data: 'conflict',
  agent_unavailable: 'unavailable',
  agent_timeout: 'unavailable',
  unreachable: 'unavailable',
  bad_answer: 'failed',
}
