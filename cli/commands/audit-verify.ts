import { createHash } from 'node:crypto'
import { InvalidArgumentError } from 'commander'
import type { Command } from 'commander'
import { auditKeyShape } from '#api/audit-signature.ts'
import type { AuditChain } from '#api/schemas/audit.ts'
import { openAuditSource } from '../audit/audit-source.ts'
import { EventSignatures } from '../audit/event-signatures.ts'
import { readExport, toExportHeader } from '../audit/export-file.ts'
import type { ExportHeader } from '../audit/export-file.ts'
import { ChainVerifier, parseKeptHead, toFindingText } from '../audit/verify-chain.ts'
import type { ChainVerdict, KeptHead } from '../audit/verify-chain.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { addExamples } from '../examples.ts'
import { toSafeJson } from '../output/safe-text.ts'

const sha256Hex = (text: string): string => createHash('sha256').update(text).digest('hex')

interface VerifyOptions {
  readonly org?: true
  readonly file?: string
  readonly sinceHead?: KeptHead
  /** Public key. */
  readonly key?: string
}

interface Verified {
  readonly log: string
  readonly verdict: ChainVerdict
  readonly signing: AuditChain['signing']
}

export const defineAuditVerify = (group: Command, context: CliContext): void => {
  addExamples(
    group
      .command('verify')
      .description('Recompute the chain of audit events here, and say what was changed, removed or put between.')
      .option('--org', "the org's log instead of the mesh's")
      .option('--file <export>', 'of a file of "atoll audit export", without a plane')
      .option('--since-head <head>', 'a head that an earlier run has printed: it has to be in the chain', parseHead)
      .option(
        '--key <key>',
        'that an earlier run has printed: signatures are held against it, not against what the plane tells',
        parseKey,
      )
      .action((options: VerifyOptions, command: Command) =>
        verify(context, { ...options, ...(isOfOrg(command) && { org: true }) }),
      ),
    [
      ['atoll audit verify', 'prints the head to keep; exits with 1 when something is wrong'],
      ['atoll audit verify --file audit.jsonl --since-head "$(cat kept-head)"', 'also against what you kept'],
    ],
  )
  addExamples(
    group
      .command('export')
      .description('Write all audit events, oldest first: a JSON text a line, the first of which says of what.')
      .option('--org', "the org's log instead of the mesh's")
      .action((_options: unknown, command: Command) => exportLog(context, isOfOrg(command))),
    [['atoll audit export -o jsonl > audit.jsonl', 'for "atoll audit verify --file", or to keep']],
  )
}

/** "atoll audit" has the same option, and takes it wherever it stands. */
const isOfOrg = (command: Command): boolean => command.optsWithGlobals<{ readonly org?: true }>().org === true

const parseHead = (text: string): KeptHead => {
  const head = parseKeptHead(text)
  if (!head) throw new InvalidArgumentError('It reads 1234:v1.<64 hex digits>, as "atoll audit verify" prints it.')
  return head
}

const parseKey = (text: string): string => {
  if (!auditKeyShape.test(text.trim()))
    throw new InvalidArgumentError('It has 43 characters, as "atoll audit verify" prints it.')
  return text.trim()
}

const verify = async (context: CliContext, { org, file, sinceHead, key }: VerifyOptions): Promise<void> => {
  if (org && file !== undefined)
    throw new CliError('usage', 'An export says itself of which log it is: leave out --org')
  const { log, verdict, signing } =
    file === undefined ? await verifyLog(context, org === true, sinceHead, key) : await verifyFile(file, sinceHead, key)
  const { findings, furtherFindings, head } = verdict
  const isWhole = findings.length === 0
  const keep = head && `${head.sequence}:${head.hash}`
  await context.print({
    value: { log, whole: isWhole, ...verdict, keep, key: signing?.keys[0] ?? null },
    names: keep === null ? [] : [keep],
    table: (paint) =>
      [
        toSummary(log, verdict),
        ...(signing ? [toSignedText(verdict)] : []),
        ...findings.map((finding) => paint('red', toFindingText(finding))),
        ...(furtherFindings > 0 ? [paint('red', `and ${furtherFindings} more`)] : []),
        ...(isWhole && keep !== null ? [`Keep this head where the plane cannot reach it:\n  ${keep}`] : []),
        ...(isWhole && signing?.keys[0] !== undefined
          ? [`… and this key, which events are signed with:\n  ${signing.keys[0]}`]
          : []),
      ].join('\n'),
  })
  if (!isWhole) throw new CliError('failed', `The audit log of ${log} is not as it was written`)
}

const toSummary = (log: string, { events, first, head }: ChainVerdict): string => {
  if (head === null) return `The audit log of ${log} has no events`
  const older = first === 1 ? '' : `; older ones are not kept any more`
  return `${events} events of ${log}, from ${first} to ${head.sequence}${older}`
}

const toSignedText = ({ signed, firstSigned }: ChainVerdict): string =>
  firstSigned === null ? 'None of them is signed' : `${signed} of them are signed, from ${firstSigned} on`

/** With what signatures are held against: what somebody kept, or what the plane tells. Absent: the log is not signed. */
const toSignatures = ({ signing }: AuditChain, key: string | undefined): EventSignatures | undefined =>
  signing && new EventSignatures(signing.log, key === undefined ? signing.keys : [key], sha256Hex)

const verifyLog = async (
  context: CliContext,
  ofOrg: boolean,
  kept: KeptHead | undefined,
  key: string | undefined,
): Promise<Verified> => {
  const source = await openAuditSource(context, ofOrg)
  const chain = await source.readChain()
  const verifier = new ChainVerifier(sha256Hex, chain.head, kept, toSignatures(chain, key))
  for await (const event of source.readEvents()) verifier.take(event)
  return { log: source.name, verdict: verifier.end(await source.readChain()), signing: chain.signing }
}

const verifyFile = async (path: string, kept: KeptHead | undefined, key: string | undefined): Promise<Verified> => {
  let begun: { readonly verifier: ChainVerifier; readonly header: ExportHeader } | undefined
  for await (const line of readExport(path)) {
    if (line.kind === 'event') begun?.verifier.take(line.event)
    else {
      const { header } = line
      const { chain } = header
      begun = { verifier: new ChainVerifier(sha256Hex, chain.head, kept, toSignatures(chain, key)), header }
    }
  }
  if (!begun) throw new CliError('usage', `${path} is no export of an audit log`)
  const { verifier, header } = begun
  return { log: header.log, verdict: verifier.end(header.chain), signing: header.chain.signing }
}

/** Up to the event that is the newest at the start. What is forgotten in the meantime is left out, and the header says so. */
const exportLog = async (context: CliContext, ofOrg: boolean): Promise<void> => {
  const { stdout, now } = context.io
  const source = await openAuditSource(context, ofOrg)
  let chain = await source.readChain()
  let isBegun = false
  const begin = () => {
    stdout.write(`${toSafeJson(toExportHeader(source.name, new Date(now()).toISOString(), chain))}\n`)
    isBegun = true
  }
  for await (const event of source.readEvents()) {
    if (!isBegun && Number(event.id) > chain.anchor.sequence + 1) chain = await source.readChain()
    if (!isBegun) begin()
    if (Number(event.id) > chain.head.sequence) break
    stdout.write(`${toSafeJson(event)}\n`)
  }
  if (!isBegun) begin()
}
