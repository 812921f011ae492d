import { CommanderError } from 'commander'
import type { Command } from 'commander'
import { z } from 'zod'
import { AtollError } from '#api/atoll-error.ts'
import { toErrorMessage } from '#mesh/error-message.ts'
import type { GlobalOptions } from './cli-context.ts'
import { isUntrusted, withoutNodeAdvice } from './certificate-trouble.ts'
import { CliError } from './cli-error.ts'
import type { CliIo } from './cli-io.ts'
import { exitCodes, exitReasonOf } from './exit-code.ts'
import type { ExitReason } from './exit-code.ts'
import { createPaint } from './output/colour.ts'
import type { Paint } from './output/colour.ts'
import { toProblemFields } from './output/problem-fields.ts'
import { toProblemLines } from './output/problem-text.ts'
import type { PlacedProblem } from './output/problem-text.ts'
import { toSafeText } from './output/safe-text.ts'
import { formatView } from './output/view.ts'
import { buildProgram } from './program.ts'

/** Runs one command line (without "node" and the script); answers the exit code and never throws. */
export const runCli = async (given: readonly string[], io: CliIo): Promise<number> => {
  // What people try first, of any command.
  const args = given[0] === '--version' ? ['version', ...given.slice(1)] : given
  let program: Command | undefined
  try {
    program = await buildProgram(io, args)
    await program.parseAsync([...args], { from: 'user' })
    return exitCodes.ok.code
  } catch (error) {
    // Commander has said what is wrong, or printed the help that was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok.code : exitCodes.usage.code
    const paint = createPaint(io.stderr, io.env)
    const { text, reason, problems } = describeError(error, paint)
    const { output } = program?.opts<GlobalOptions>() ?? {}
    if (problems.length > 0 && (output === 'json' || output === 'yaml')) {
      io.stdout.write(
        await formatView(
          { value: { problems: problems.map(toProblemFields) }, names: [], table: () => '' },
          output,
          paint,
        ),
      )
    }
    io.stderr.write(`${toSafeText(text)}\n`)
    if ((io.env['ATOLL_DEBUG'] ?? '') !== '') io.stderr.write(`${toStack(error)}\n`)
    return exitCodes[reason].code
  }
}

const remedies: Partial<Record<AtollError['code'], string>> = {
  unauthenticated: 'The token may have expired or been revoked: run "atoll login" again.',
  revision_mismatch: 'Look at "atoll revision list", then apply again.',
  newer_data: 'Run the plane with the newer version again (docs/upgrade.md). Agents go on with what they have.',
  unreachable: 'Is the URL right, and is the plane running?',
}

const untrustedRemedy =
  "If the plane has a private authority: NODE_EXTRA_CA_CERTS=FILE, with that authority's certificate in PEM."

interface Description {
  readonly text: string
  readonly reason: ExitReason
  readonly problems: readonly PlacedProblem[]
}

const describeError = (error: unknown, paint: Paint): Description => {
  const label = paint('red', 'error')
  if (error instanceof CliError) {
    const { message, problems, remedy, reason, isResult } = error
    return { text: toErrorText(isResult ? message : `${label}: ${message}`, problems, remedy, paint), reason, problems }
  }
  if (error instanceof AtollError) {
    const request = error.requestId === undefined || error.status !== 500 ? '' : ` (request ${error.requestId})`
    const { code, message, problems } = error
    const remedy = isUntrusted(error) ? untrustedRemedy : remedies[code]
    const text = toErrorText(`${label} (${code}): ${withoutNodeAdvice(message)}${request}`, problems, remedy, paint)
    return { text, reason: exitReasonOf[code], problems }
  }
  if (error instanceof z.ZodError) return { text: `${label}: ${z.prettifyError(error)}`, reason: 'usage', problems: [] }
  const message = toErrorMessage(error)
  return { text: `${label}: ${message}`, reason: 'failed', problems: [] }
}

const toErrorText = (
  text: string,
  problems: readonly PlacedProblem[],
  remedy: string | undefined,
  paint: Paint,
): string =>
  [
    text,
    ...toProblemLines(problems, paint).map((line) => `  ${line}`),
    ...(remedy === undefined ? [] : [`  → ${remedy}`]),
  ].join('\n')

const toStack = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error))
