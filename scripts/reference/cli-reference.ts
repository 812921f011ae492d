import type { Command } from 'commander'
import { commandTable } from '#cli/command-table.ts'
import { exitCodes } from '#cli/exit-code.ts'
import { buildProgram } from '#cli/program.ts'
import { silentIo } from './silent-io.ts'

const toHelp = (command: Command): string => {
  let text = ''
  command.configureOutput({ writeOut: (part) => (text += part) })
  command.outputHelp()
  return text.trim()
}

/** A command and those below it that do something, depth first. */
const walk = (command: Command, path: string): { path: string; command: Command }[] => {
  const below = command.createHelp().visibleCommands(command)
  const name = `${path} ${command.name()}`.trim()
  const own = below.length === 0 || command.registeredArguments.length > 0 ? [{ path: name, command }] : []
  return [...own, ...below.flatMap((child) => walk(child, name))]
}

/** The page of the command line: the help of every command, and the exit codes. */
export const toCliReference = async (): Promise<string> => {
  const program = await buildProgram(
    silentIo,
    commandTable.map(({ name }) => name),
  )
  const options = toHelp(program)
  program.configureHelp({ showGlobalOptions: false })
  for (const { command } of walk(program, '')) command.configureHelp({ showGlobalOptions: false })
  return [
    '# The command line, command by command',
    '',
    'Generated from the commands in `cli/` by `node scripts/reference.ts`. An introduction is in [docs/cli.md](../cli.md).',
    '',
    '    ' + options.replaceAll('\n', '\n    '),
    '',
    '## Exit codes',
    '',
    '| code | |',
    '|---|---|',
    ...Object.values(exitCodes).map(({ code, meaning }) => `| ${code} | ${meaning} |`),
    '',
    ...walk(program, '').flatMap(({ path, command }) => [
      `## ${path}`,
      '',
      '    ' + toHelp(command).replaceAll('\n', '\n    '),
      '',
    ]),
  ]
    .join('\n')
    .replaceAll(/[ \t]+$/gm, '')
    .trimEnd()
    .concat('\n')
}
