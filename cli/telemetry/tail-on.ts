import { z } from 'zod'
import { tailLogs } from '#api/routes/telemetry.ts'
import type { LogFilters } from '#api/schemas/telemetry.ts'
import type { ServerEvent } from '#api/server-events.ts'
import { parseJson } from '#mesh/parse-json.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { toPassing } from './to-passing.ts'

const place = z.object({ cursor: z.string().optional() })

const ended = 'The plane has ended the stream'

const FIRST_PAUSE_MS = 500
const MAX_PAUSE_MS = 10_000

/**
 * What comes in, until it is interrupted or refused. The plane ends a stream after a while, so that whoever reads it shows again who he is, and says where to
 * go on; when it is away it is asked until it is back. Throws what stops the first try.
 */
export async function* tailOn(context: CliContext, mesh: string, filters: LogFilters): AsyncIterable<ServerEvent> {
  const { io } = context
  let cursor: string | undefined
  /** Told since the cursor: the plane tells them again. An older plane gives cursors only at the end. */
  const told = new Set<string>()
  let lastMs: number | undefined
  let failures = 0
  for (;;) {
    let trouble: string | undefined = ended
    const toldBefore = new Set(told)
    try {
      const query = { ...filters, cursor }
      for await (const next of context.client().events(tailLogs, { params: { mesh }, query })) {
        const { event, data } = next
        if (failures > 0) context.note(toReturn(cursor === undefined ? lastMs : undefined))
        failures = 0
        lastMs = io.now()
        trouble = event === 'end' ? undefined : ended
        if (event === 'place' || event === 'end') {
          ;({ cursor } = place.parse(parseJson(data)))
          told.clear()
        } else if (event !== 'record') yield next
        else if (!toldBefore.delete(data)) {
          if (cursor !== undefined) told.add(data)
          yield next
        }
      }
    } catch (error) {
      trouble = toPassing(error)
      if (lastMs === undefined) throw error
    }
    if (trouble === undefined) continue
    if (lastMs === undefined) throw new CliError('unavailable', ended, { remedy: 'Run the command again.' })
    if (failures === 0) context.note(`${trouble}: it is asked again until it is back`)
    await io.sleep(Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures))
    failures += 1
  }
}

const toReturn = (missingSinceMs: number | undefined): string =>
  missingSinceMs === undefined
    ? 'The plane is back: going on where it was'
    : `The plane is back: what came since ${new Date(missingSinceMs).toISOString()} may be missing`
