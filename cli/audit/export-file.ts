import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { z } from 'zod'
import { auditChain, auditEvent } from '#api/schemas/audit.ts'
import type { AuditChain, AuditEvent } from '#api/schemas/audit.ts'
import { parseJson } from '#mesh/parse-json.ts'
import { CliError } from '../cli-error.ts'

/** The first line of an export: of which log it is, and where its events begin and end. One event a line follows. */
const exportHeader = z.object({
  kind: z.literal('atoll-audit'),
  version: z.literal(1),
  log: z.string(),
  exportedAt: z.string(),
  chain: auditChain,
})

export const toExportHeader = (log: string, exportedAt: string, chain: AuditChain): ExportHeader => ({
  kind: 'atoll-audit',
  version: 1,
  log,
  exportedAt,
  chain,
})

export type ExportHeader = z.infer<typeof exportHeader>
export type ExportLine =
  | { readonly kind: 'header'; readonly header: ExportHeader }
  | { readonly kind: 'event'; readonly event: AuditEvent }

/** Reads an export line by line: first its header, then its events. Throws CliError `usage` at a line that is not of one. */
export async function* readExport(path: string): AsyncGenerator<ExportLine> {
  let number = 0
  const refuse = (reason: string): CliError =>
    new CliError('usage', `${path}, line ${number}: ${reason}`, { remedy: 'It is a file of "atoll audit export".' })
  try {
    for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
      number += 1
      if (line.trim() === '') continue
      if (number === 1) {
        const header = exportHeader.safeParse(parseJson(line)).data
        if (!header) throw refuse('this is no export of an audit log')
        yield { kind: 'header', header }
      } else {
        const event = auditEvent.safeParse(parseJson(line)).data
        if (!event) throw refuse('this is no audit event')
        yield { kind: 'event', event }
      }
    }
  } catch (error) {
    if (error instanceof CliError) throw error
    throw new CliError('usage', `${path} cannot be read`, { cause: error })
  }
  if (number === 0) throw refuse('the file is empty')
}
