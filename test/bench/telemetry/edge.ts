import { readTreeCpuSeconds, readTreePeakRssMebibytes } from '../process-usage.ts'
import { encodeBatch, LINES_OF_BATCH } from './edge-lines.ts'
import { openEdgeWorld, readArchive } from './edge-world.ts'

const SPAN_US = 60 * 60 * 1_000_000

export interface EdgeReport {
  readonly lines: number
  readonly linesPerSecond: number
  /** Of the plane and its runtime, making Parquet of the lines included, as far as it came meanwhile. */
  readonly cpuMicrosecondsPerLine: number
  readonly planePeakRssMebibytes: number
  readonly bytesPerLine: { readonly sent: number; readonly unpacked: number; readonly archived: number }
  readonly segments: number
}

/** What the plane's store of telemetry takes of one cluster, four requests at once. */
export const measureEdge = async (
  directory: string,
  lines: number,
  tell: (step: string) => void,
): Promise<EdgeReport> => {
  tell('making batches')
  const span = { firstUs: Date.now() * 1000 - SPAN_US, stepUs: SPAN_US / lines }
  const batches = Array.from({ length: Math.ceil(lines / LINES_OF_BATCH) }, (_, index) =>
    encodeBatch(index * LINES_OF_BATCH, Math.min(LINES_OF_BATCH, lines - index * LINES_OF_BATCH), span),
  )
  const { world, pid, send } = await openEdgeWorld(directory)
  try {
    tell('sending')
    const cpuBefore = readTreeCpuSeconds(pid)
    const startedAt = performance.now()
    await send(batches)
    const seconds = (performance.now() - startedAt) / 1000
    const cpuSeconds = readTreeCpuSeconds(pid) - cpuBefore
    tell('making segments')
    const { segments, bytes } = await readArchive(world)
    const perLine = (sum: number): number => Math.round(sum / lines)
    return {
      lines,
      linesPerSecond: Math.round(lines / seconds),
      cpuMicrosecondsPerLine: perLine(cpuSeconds * 1e6),
      planePeakRssMebibytes: readTreePeakRssMebibytes(pid),
      bytesPerLine: {
        sent: perLine(batches.reduce((sum, { body }) => sum + body.length, 0)),
        unpacked: perLine(batches.reduce((sum, { unpackedBytes }) => sum + unpackedBytes, 0)),
        archived: perLine(bytes),
      },
      segments,
    }
  } finally {
    await world.stop()
  }
}
