import type { Clock } from '#agent/clock.ts'
import type { ProxyGrant } from '#agent/proxy-auth/proxy-authenticator.ts'
import type { ToldRecord } from '#agent/telemetry/forward/span-log.ts'
import type { BatchRank } from '#agent/telemetry/outbox/batch.ts'
import type { Outbox } from '#agent/telemetry/outbox/outbox.ts'
import { isMessageRecord } from '#mesh/telemetry/message-record.ts'
import { splitAccessRecord, type AccessRecordTexts } from '#mesh/telemetry/access-record.ts'
import type { Party } from '#mesh/telemetry/party.ts'
import { toPartyFields, toRequestFields, type KnownFields } from '#mesh/telemetry/to-access-log-record.ts'
import { toProxyName, type Proxy } from '#xds/proxy.ts'
import { isNotable } from './is-notable.ts'
import { isPlausible } from './is-plausible.ts'
import { readLogExport } from './read-log-export.ts'
import { RecordPacker } from './record-packer.ts'
import { encodeAttributes, encodeResource, RecordWriter } from './record-writer.ts'
import { ToldMessages, toMessageKey } from './told-messages.ts'

export interface RecordLogOptions {
  readonly cluster: string
  readonly outbox: Pick<Outbox, 'received' | 'shed' | 'add'> & {
    /** Whether somebody keeps what is added on disk, where ranks matter. */
    readonly isAway: () => boolean
  }
  readonly clock: Clock
  /** Who a proxy is, by its grant. */
  readonly toParty: (grant: ProxyGrant) => Party
  /** Hears of each record. */
  readonly onRecord: (record: ToldRecord) => void
  /** Counts what a proxy tells of the messages of a call; returns whether it told any such thing. */
  readonly takeMessages: (proxy: Proxy, text: string) => boolean
  /** The revision that a proxy has. */
  readonly revisionOf: (proxy: string) => number
}

/** Pairs of a proxy and its peer whose fields are kept encoded. */
const maxKnownParties = 20_000
const maxKeyLength = 4096
/** What is written is to be packed when it is more: what is known of the parties makes a message many times as long. */
const maxWrittenBytes = 1024 * 1024

/** Takes what proxies tell of their requests, and makes batches of access log records of it. */
export class RecordLog {
  readonly #options: RecordLogOptions
  readonly #writers = { routine: new RecordWriter(), notable: new RecordWriter() }
  readonly #packer: RecordPacker
  readonly #told: ToldMessages
  readonly #parties = new Map<string, Buffer>()

  constructor(options: RecordLogOptions) {
    this.#options = options
    const { clock, outbox } = options
    this.#told = new ToldMessages(() => clock.now())
    this.#packer = new RecordPacker({
      clock,
      add: (batch) => outbox.add(batch),
      shed: (records) => outbox.shed('logs', records, 'memory'),
      isAway: () => outbox.isAway(),
    })
  }

  /** `message`: an ExportLogsServiceRequest of a proxy. @throws {RangeError} when it is none; nothing of it is taken then. */
  receive(grant: ProxyGrant, message: Buffer): void {
    const { cluster, outbox, revisionOf, onRecord, takeMessages, toParty } = this.#options
    const proxy = toProxyName(grant.proxy)
    const messageKey = toMessageKey(proxy, message)
    if (this.#told.has(messageKey)) return
    // What is known of a workload may change while its proxy is connected.
    const own = toParty(grant)
    const ownKey = `${proxy}\n${JSON.stringify(own)}`
    const resource = encodeResource({ cluster, proxy, revision: revisionOf(proxy) })
    let malformed = 0
    let shed = 0
    let taken = 0
    // What can't be kept is not worth any work: else there is none left for what can.
    let { room } = this.#packer
    const toParties = (texts: AccessRecordTexts): KnownFields => toPartyFields(texts, { own, cluster, proxy })
    const encodeParties = (texts: AccessRecordTexts): Buffer => {
      const key = `${ownKey}\n${texts.reporter}\n${texts.peerSubject}\n${texts.peerUriNames}\n${texts.peerDnsNames}`
      const known = this.#parties.get(key)
      if (known) return known
      const { cluster: _, proxy: __, ...fields } = toParties(texts)
      const encoded = encodeAttributes(fields, 'record')
      if (this.#parties.size >= maxKnownParties) this.#parties.clear()
      if (key.length <= maxKeyLength) this.#parties.set(key, encoded)
      return encoded
    }
    // All of it is read before anything is taken: a proxy whose message is refused has told nothing.
    for (const { time, body } of readLogExport(message)) {
      if (isMessageRecord(body)) {
        malformed += takeMessages(grant.proxy, body) ? 0 : 1
        continue
      }
      if (room === 'none') {
        shed += 1
        continue
      }
      const texts = splitAccessRecord(body)
      const fields = texts && toRequestFields(texts)
      if (!fields || !isPlausible(time, fields)) malformed += 1
      else {
        onRecord({ time, fields, parties: () => toParties(texts) })
        const rank = isNotable(fields) ? 'notable' : 'routine'
        if (room === 'notable' && rank === 'routine') shed += 1
        else {
          this.#writers[rank].add(time, encodeParties(texts), fields)
          if (this.#writers[rank].length >= maxWrittenBytes) {
            taken += this.#pack(rank, resource)
            room = this.#packer.room
          }
        }
      }
    }
    taken += this.#pack('routine', resource) + this.#pack('notable', resource)
    this.#told.add(messageKey)
    outbox.received('logs', taken + malformed + shed)
    outbox.shed('logs', malformed, 'malformed')
    outbox.shed('logs', shed, 'memory')
  }

  /** What has been told so far has been handed on when this resolves. */
  async stop(): Promise<void> {
    await this.#packer.stop()
  }

  /** What has been written is to be packed; how many records that was. */
  #pack(rank: BatchRank, resource: Buffer): number {
    const writer = this.#writers[rank]
    const { records } = writer
    if (records > 0) this.#packer.add(rank, { bytes: writer.take(resource), records })
    return records
  }
}
