import type { AccessLog } from '#api/schemas/telemetry.ts'
import type { Paint } from '../output/colour.ts'
import { toSafeWord } from '../output/safe-text.ts'
import { toShort } from '../output/to-short.ts'

export const logHeadings = ['TIME', 'CODE', 'FLAGS', 'TOOK', 'FROM', 'TO', 'CALL', 'TOLD BY'] as const

/** "2026-11-29 14:20:09.595Z": as --from and --to take it, too. */
export const toTimeText = (time: string): string =>
  toSafeWord(`${time.slice(0, 23).replace('T', ' ').replace(/Z$/, '')}Z`)

/** One record, a column for each heading. */
export const toLogRow = (record: AccessLog, paint: Paint): readonly string[] => {
  const { time, duration_us: duration, response_flags: flags = '', reporter, cluster } = record
  return [
    paint('dim', toTimeText(time)),
    toCodeText(record, paint),
    paint('red', toSafeWord(flags)),
    duration === undefined ? '' : toDurationText(duration),
    toSide(
      record.source_cluster,
      record.source_workload_namespace,
      record.source_workload ?? record.service,
      record.source_address,
    ),
    toSide(
      record.destination_cluster,
      record.destination_workload_namespace ?? record.destination_service_namespace,
      record.destination_workload ?? record.destination_service_name ?? record.destination_service,
      record.upstream_host,
    ),
    toCallText(record),
    paint('dim', toSafeWord([reporter ?? record.proxy, cluster].filter(Boolean).join(' in '))),
  ]
}

const toCodeText = (
  { response_code: code, grpc_response_status: grpc, request_protocol: protocol, severity }: AccessLog,
  paint: Paint,
) => {
  if (code === undefined) return toSafeWord(protocol ?? severity ?? '')
  const text = grpc === undefined || grpc === 0 ? String(code) : `${code}/${grpc}`
  if (code === 0 || code >= 500 || (grpc !== undefined && grpc > 0)) return paint('red', text)
  return paint(code >= 400 ? 'yellow' : 'green', text)
}

/** "west/shop/reviews-v1", as far as it is known; else where it is. */
const toSide = (
  cluster: string | undefined,
  namespace: string | undefined,
  workload: string | undefined,
  address: string | undefined,
): string =>
  toSafeWord(workload === undefined ? (address ?? '-') : [cluster, namespace, workload].filter(Boolean).join('/'))

const maxPath = 60

const toCallText = ({
  method,
  authority = '',
  path = '',
  server_name: sni,
  body,
  request_bytes: received,
  response_bytes: sent,
}: AccessLog): string => {
  if (method === undefined && body !== undefined) return toSafeWord(body.slice(0, maxPath))
  if (method === undefined)
    return toSafeWord([sni, `${received ?? 0} bytes in, ${sent ?? 0} out`].filter(Boolean).join(' '))
  return toSafeWord(`${method} ${authority}${toShort(path, maxPath)}`)
}

/** "1.25ms", "3.2s": three digits that say something. */
export const toDurationText = (us: number): string => {
  if (us < 1000) return `${us}µs`
  return us < 1_000_000 ? `${Number((us / 1000).toPrecision(3))}ms` : `${Number((us / 1_000_000).toPrecision(3))}s`
}

/** Widths that columns of a stream begin with: what comes next is not known. They grow with what is wider. */
const firstWidths = [24, 7, 5, 7, 24, 24, 40, 0] as const

/** Aligns rows that come one by one. */
export const createAligner = (toWidth: (text: string) => number) => {
  const widths: number[] = [...firstWidths]
  return (row: readonly string[]): string =>
    row
      .map((text, column) => {
        widths[column] = Math.max(widths[column] ?? 0, toWidth(text))
        return text + ' '.repeat((widths[column] ?? 0) - toWidth(text))
      })
      .join('  ')
      .trimEnd()
}
