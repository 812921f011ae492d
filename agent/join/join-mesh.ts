import { randomUUID } from 'node:crypto'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { AgentError } from '#agent/agent-error.ts'
import type { Clock } from '#agent/clock.ts'
import { exportPrivateKeyPem, generateKeyPair, importPrivateKeyPem } from '#agent/identity/certificate-key.ts'
import { createIntermediateCsr } from '#agent/identity/create-intermediate-csr.ts'
import { parseCertificates, verifyIntermediate } from '#agent/identity/verify-intermediate.ts'
import type { Log } from '#agent/log.ts'
import { toBackoffMilliseconds } from '#agent/uplink/backoff.ts'
import { trustDomain } from '#mesh/names.ts'
import { toJoinPayload, type JoinRequest, type JoinResponse } from '#mesh/join.ts'
import { isJoined, type AgentRecord, type JoinedRecord } from './agent-record.ts'
import { createSigner, generateIdentityKeyPem, toPublicKeyPem } from './identity-key.ts'
import type { RecordStore } from './record-store.ts'

export interface JoinOptions {
  readonly records: RecordStore
  /** Holds the join token. One that was used is deleted; another one is ignored by an agent that has joined. */
  readonly tokenFile: string | undefined
  readonly post: (request: JoinRequest) => Promise<JoinResponse>
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  readonly log: Log
  /** Aborted when the agent is to stop. */
  readonly signal: AbortSignal
}

/**
 * The record of an agent that is in its mesh; joins when it is not. The keys are kept before the plane hears of them: killed at any
 * moment, the next attempt asks for the same thing and gets the same answer; so does a replica that joins at the same time. Throws
 * AgentError when it can't join.
 */
export const joinMesh = async (options: JoinOptions): Promise<JoinedRecord> => {
  const { records, tokenFile, post, clock, log } = options
  const stored = await untilReachable(options, () => records.load())
  if (stored && isJoined(stored)) {
    if (tokenFile !== undefined && existsSync(tokenFile)) tidyToken(stored, tokenFile, log)
    return stored
  }
  if (tokenFile === undefined)
    throw new AgentError('not_joined', 'this agent is in no mesh yet: it needs a join token (atoll cluster join)')
  const token = readToken(tokenFile)
  const tokenId = toTokenId(token)
  if (tokenId === undefined) throw new AgentError('join_refused', 'the join token file does not hold a join token')
  const fresh = stored ?? (await createRecord())
  const record = stored ?? (await untilReachable(options, () => records.save(fresh)))
  if (isJoined(record)) return record
  const membership = await untilReachable(options, () => post(toRequest(record, token, tokenId)))
  await verifyMembership(record, membership, clock.now())
  const joined = { ...record, membership, joinTokenId: tokenId }
  const kept = await untilReachable(options, () => records.save(joined))
  deleteToken(tokenFile, log)
  const { mesh, cluster, network } = membership
  log.info({ mesh, cluster, network, replica: joined.replica }, 'joined the mesh')
  return isJoined(kept) ? kept : joined
}

const createRecord = async (): Promise<AgentRecord> => {
  const keys = await generateKeyPair(true)
  return {
    replica: randomUUID(),
    identityKeyPem: generateIdentityKeyPem(),
    intermediateKeyPem: await exportPrivateKeyPem(keys.privateKey),
    csrPem: await createIntermediateCsr(keys),
    membership: null,
  }
}

const readToken = (file: string): string => {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    throw new AgentError('not_joined', `the join token ${file} can't be read`, { cause: error })
  }
}

const toTokenId = (token: string): string | undefined => /^atoll_join_([^_]+)_.+$/.exec(token)?.[1]

/** An agent that has joined was killed before it deleted its token, or somebody gave it another one. */
const tidyToken = ({ joinTokenId, membership: { mesh, cluster } }: JoinedRecord, file: string, log: Log): void => {
  let tokenId: string | undefined
  try {
    tokenId = toTokenId(readToken(file))
  } catch {
    // Nothing has to be read by who has joined.
  }
  if (tokenId !== undefined && tokenId === joinTokenId) deleteToken(file, log)
  else
    log.warn(
      { file, mesh, cluster },
      'the join token is ignored: this agent has joined already; to join anew, give it another data directory',
    )
}

const deleteToken = (file: string, log: Log): void => {
  try {
    rmSync(file, { force: true })
  } catch (error) {
    // A mounted Secret goes when whoever made it deletes it.
    if (error instanceof Error && 'code' in error && error.code === 'EROFS') return
    log.warn({ err: error, file }, 'the join token is used up and can not be deleted')
  }
}

const toRequest = (record: AgentRecord, token: string, tokenId: string): JoinRequest => {
  const { replica, csrPem, identityKeyPem } = record
  return {
    token,
    replica,
    csrPem,
    identityKeyPem: toPublicKeyPem(identityKeyPem),
    proof: createSigner(identityKeyPem)(toJoinPayload({ tokenId, csrPem, replica })),
  }
}

/** Who is away is waited for; a refusal is final. */
const untilReachable = async <T>({ clock, random, log, signal }: JoinOptions, task: () => Promise<T>): Promise<T> => {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await task()
    } catch (error) {
      if (!(error instanceof AgentError) || error.code !== 'unreachable' || signal.aborted) throw error
      const delayMilliseconds = toBackoffMilliseconds(attempt, random())
      log.warn({ reason: error.message, retryInMilliseconds: delayMilliseconds }, 'could not join the mesh yet')
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          cancel()
          signal.removeEventListener('abort', wake)
          resolve()
        }
        const cancel = clock.after(delayMilliseconds, wake)
        signal.addEventListener('abort', wake)
      })
    }
  }
}

/** The plane's word is checked: the certificate is an intermediate of this cluster, signed by its root, and for our key. */
const verifyMembership = async (record: AgentRecord, membership: JoinResponse, now: number): Promise<void> => {
  const { cluster, certificatePem, rootsPem } = membership
  const anchors = { trustDomain: trustDomain.parse(membership.trustDomain), roots: parseCertificates(rootsPem) }
  const verdict = await verifyIntermediate(certificatePem, cluster, anchors, now)
  if (!verdict.ok) throw new AgentError('bad_join_answer', `the plane's certificate is not usable: ${verdict.error}`)
  const key = await importPrivateKeyPem(record.intermediateKeyPem)
  const probe = new TextEncoder().encode('atoll')
  const algorithm = { name: 'ECDSA', hash: 'SHA-256' }
  const signature = await crypto.subtle.sign(algorithm, key, probe)
  const publicKey = await verdict.value.publicKey.export({ name: 'ECDSA', namedCurve: 'P-256' }, ['verify'])
  if (!(await crypto.subtle.verify(algorithm, publicKey, signature, probe)))
    throw new AgentError('bad_join_answer', "the plane's certificate is for another key")
}
