import type { Command } from 'commander'

/** Examples under a command's help: the command line, and what it is for. */
export const addExamples = (command: Command, examples: readonly (readonly [string, string])[]): Command => {
  const longest = Math.max(...examples.map(([line]) => line.length))
  const lines = examples.map(([line, purpose]) => `  ${line.padEnd(longest)}  # ${purpose}`)
  return command.addHelpText('after', `\nExamples:\n${lines.join('\n')}`)
}
