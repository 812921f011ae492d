import type { Command, Option } from 'commander'

/**
 * What can stand at the place of the last word: subcommands, options, an option's choices. Files are the shell's own business:
 * no candidates means "complete as you would for any command".
 */
export const findCandidates = (program: Command, words: readonly string[]): string[] => {
  const typed = words.at(-1) ?? ''
  let command = program
  let expected: Option | undefined
  for (const word of words.slice(0, -1)) {
    if (expected !== undefined) {
      expected = undefined
      continue
    }
    if (word.startsWith('-')) expected = valueOption(program, command, word)
    else command = command.commands.find((candidate) => candidate.name() === word) ?? command
  }
  const possible =
    expected === undefined
      ? typed.startsWith('-')
        ? optionNames(program, command)
        : commandNames(command)
      : (expected.argChoices ?? [])
  return possible.filter((candidate) => candidate.startsWith(typed))
}

const optionsOf = (program: Command, command: Command): readonly Option[] => [
  ...command.createHelp().visibleOptions(command),
  ...(command === program ? [] : program.options),
]

const valueOption = (program: Command, command: Command, word: string): Option | undefined =>
  optionsOf(program, command).find(
    (option) => (option.long === word || option.short === word) && (option.required || option.optional),
  )

const optionNames = (program: Command, command: Command): string[] =>
  optionsOf(program, command).flatMap((option) => option.long ?? [])

const commandNames = (command: Command): string[] =>
  command
    .createHelp()
    .visibleCommands(command)
    .map((candidate) => candidate.name())
