import { Command, Option } from 'commander'
import { CliContext } from './cli-context.ts'
import type { CliIo } from './cli-io.ts'
import { commandTable } from './command-table.ts'
import { addExamples } from './examples.ts'
import { outputFormats } from './output/view.ts'
import type { OutputFormat } from './output/view.ts'

const HELP_COLUMNS = 100

/**
 * The command line with the commands that `words` name in full, and the others by their name alone. It throws commander's
 * CommanderError instead of ending the process.
 */
export const buildProgram = async (io: CliIo, words: readonly string[]): Promise<Command> => {
  const program = new Command('atoll')
    .description('One service mesh out of many clusters.')
    .option('--profile <name>', 'profile in the user configuration (ATOLL_PROFILE)')
    .option('--url <url>', 'the control plane (ATOLL_URL; its token: ATOLL_TOKEN)')
    .option('--mesh <name>', 'the mesh (ATOLL_MESH)')
    .addOption(new Option('-o, --output <format>', 'form of the result').choices(findFormats(words)).default('table'))
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
      getOutHelpWidth: () => HELP_COLUMNS,
      getErrHelpWidth: () => HELP_COLUMNS,
    })
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError('(--help shows how it is used)')
    .helpCommand(false)
  addExamples(program, [
    ['atoll login --url https://atoll.example.com', 'sign in to a plane'],
    ['atoll apply --wait -f reviews.yaml', 'apply configuration and see it go live'],
    ['atoll proxies -o json', 'any result as JSON'],
  ])
  const context = new CliContext(program, io)
  for (const { name, description, load } of commandTable) {
    const command = program.command(name).description(description).helpCommand(false)
    if (words.includes(name)) (await load())(command, context)
  }
  addCompletion(program, io)
  return program
}

/** The forms in which the command that is run has its result. */
const findFormats = (words: readonly string[]): readonly OutputFormat[] => {
  const own = words.flatMap((word) => commandTable.filter(({ name }) => name === word)).at(0)
  return [...outputFormats, ...(own?.formats ?? [])]
}

/** What the completion scripts ask. */
const addCompletion = (program: Command, io: CliIo): void => {
  program
    .command('complete', { hidden: true })
    .argument('[words...]')
    .action(async (words: string[]) => {
      const { findCandidates } = await import('./completion/candidates.ts')
      for (const candidate of findCandidates(program, words)) io.stdout.write(`${candidate}\n`)
    })
}
