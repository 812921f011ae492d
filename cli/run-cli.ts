import { CommanderError } from 'commander'
import { z } from 'zod'
import { AtollError } from '#api/atoll-error.ts'
import { CliError } from './cli-error.ts'
import type { CliIo } from './cli-io.ts'
import { exitCodes, exitReasonOf } from './exit-code.ts'
import type { ExitReason } from './exit-code.ts'
import { createPaint } from './output/colour.ts'
import type { Paint } from './output/colour.ts'
import { toProblemText } from './output/problem-text.ts'
import { toSafeText } from './output/safe-text.ts'
import { buildProgram } from './program.ts'

/** Runs one command line (without "node" and the script); answers the exit code and never throws. */
export const runCli = async (args: readonly string[], io: CliIo): Promise<number> => {
  try {
    const program = await buildProgram(io, args)
    await program.parseAsync([...args], { from: 'user' })
    return exitCodes.ok.code
  } catch (error) {
    // Commander has said what is wrong, or printed the help that was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok.code : exitCodes.usage.code
    const { text, reason } = describeError(error, createPaint(io.stderr, io.env))
    io.stderr.write(`${toSafeText(text)}\n`)
    if ((io.env['ATOLL_DEBUG'] ?? '') !== '') io.stderr.write(`${toStack(error)}\n`)
    return exitCodes[reason].code
  }
}

const remedies: Partial<Record<AtollError['code'], string>> = {
  unauthenticated: 'The token may have expired or been revoked: run "atoll login" again.',
  revision_mismatch: 'Look at "atoll revision list", then apply again.',
  unreachable: 'Is the URL right, and is the plane running?',
}

const describeError = (error: unknown, paint: Paint): { readonly text: string; readonly reason: ExitReason } => {
  const label = paint('red', 'error')
  if (error instanceof CliError)
    return { text: withRemedy(`${label}: ${error.message}`, error.remedy), reason: error.reason }
  if (error instanceof AtollError) {
    const request = error.requestId === undefined || error.status !== 500 ? '' : ` (request ${error.requestId})`
    const lines = [
      `${label} (${error.code}): ${error.message}${request}`,
      ...error.problems.map((problem) => `  ${toProblemText(problem, paint)}`),
    ]
    return { text: withRemedy(lines.join('\n'), remedies[error.code]), reason: exitReasonOf[error.code] }
  }
  if (error instanceof z.ZodError) return { text: `${label}: ${z.prettifyError(error)}`, reason: 'usage' }
  return { text: `${label}: ${error instanceof Error ? error.message : String(error)}`, reason: 'failed' }
}

const withRemedy = (text: string, remedy: string | undefined): string =>
  remedy === undefined ? text : `${text}\n  → ${remedy}`

const toStack = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error))
