import { createHash, timingSafeEqual } from 'node:crypto'
import type { GroupMachine } from '#mesh/registry-records/machine-groups.ts'
import { err, ok, type Result } from '#mesh/result.ts'
import type { MachineToken } from '#mesh/state.ts'
import type { CredentialRefusal, MachineRefusal, ProxyAuthenticator, ProxyGrant } from './proxy-authenticator.ts'

export interface MachineTokens {
  /** The record of a token as the plane last told it; undefined = there is none, or it was revoked. */
  machineToken(id: string): MachineToken | undefined
  /** What a machine of a WorkloadGroup is; absent = groups have no machines here. */
  admit?(token: MachineToken, peer: string): Result<GroupMachine, MachineRefusal>
}

/** When the first token ends of those in use; tokens that somebody has replaced are no trouble. Pods have none. */
export const findFirstEnd = (
  connections: Iterable<{ readonly grant: ProxyGrant }>,
  find: MachineTokens['machineToken'],
): number | undefined => {
  const ends = [...connections].flatMap(({ grant }) => Date.parse(find(grant.credential)?.expiresAt ?? '') || [])
  return ends.length === 0 ? undefined : Math.min(...ends)
}

/** What an unknown token's secret is compared with, so that it takes as long as a known one's. */
const noSecretHash = Buffer.alloc(32)

/**
 * The tokens of proxies outside Kubernetes: `Authorization: Bearer atoll_machine_<id>_<secret>`, or without the scheme, as Envoy's
 * credential injector puts a token file's content there.
 */
export class MachineTokenAuthenticator implements ProxyAuthenticator {
  readonly #tokens: MachineTokens
  readonly #now: () => number

  /** `now`: milliseconds since the epoch. */
  constructor(tokens: MachineTokens, now: () => number) {
    this.#tokens = tokens
    this.#now = now
  }

  async authenticate(authorization: string | undefined, peer = ''): Promise<Result<ProxyGrant, CredentialRefusal>> {
    if (authorization === undefined) return err('missing')
    const presented = parseAuthorization(authorization)
    if (!presented) return err('malformed')
    const record = this.#tokens.machineToken(presented.id)
    const secretHash = createHash('sha256').update(presented.secret).digest()
    const isRight = timingSafeEqual(secretHash, record ? Buffer.from(record.secretHash, 'hex') : noSecretHash)
    if (!record || !isRight) return err('unknown')
    if (this.#isExpired(record)) return err('expired')
    const { role, namespace, serviceAccount, workload } = record
    if (!record.group) return ok({ proxy: { role, namespace, serviceAccount, workload }, credential: record.id })
    const machine = this.#tokens.admit?.(record, peer) ?? err('no_group')
    if (!machine.ok) return machine
    const proxy = { role, namespace, serviceAccount, workload: machine.value.name }
    return ok({ proxy, credential: record.id, machine: machine.value })
  }

  isValid({ credential, proxy, machine }: ProxyGrant): boolean {
    const record = this.#tokens.machineToken(credential)
    return (
      record !== undefined &&
      !this.#isExpired(record) &&
      record.role === proxy.role &&
      record.namespace === proxy.namespace &&
      record.serviceAccount === proxy.serviceAccount &&
      record.workload === (machine?.group ?? proxy.workload) &&
      (machine === undefined) === (record.group === undefined) &&
      (machine === undefined || this.#isStill(record, machine))
    )
  }

  /** Whether it would be admitted as the same again. */
  #isStill(record: MachineToken, { name, address }: GroupMachine): boolean {
    const machine = this.#tokens.admit?.(record, `${address}:0`)
    return machine !== undefined && machine.ok && machine.value.name === name
  }

  /** A date that can't be read counts as past. */
  #isExpired({ expiresAt }: MachineToken): boolean {
    return !(Date.parse(expiresAt) > this.#now())
  }
}

const parseAuthorization = (authorization: string): { readonly id: string; readonly secret: string } | undefined => {
  const [, id, secret] =
    /^(?:[Bb]earer +)?atoll_machine_([A-Za-z0-9-]{1,64})_([A-Za-z0-9_-]{16,128})$/.exec(authorization) ?? []
  return id !== undefined && secret !== undefined ? { id, secret } : undefined
}
