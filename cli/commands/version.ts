import type { Command } from 'commander'
import type { CliContext } from '../cli-context.ts'
import { addExamples } from '../examples.ts'
import { findProgramFiles } from '../program-files.ts'

export const defineVersion = (command: Command, context: CliContext): void => {
  command.action(async () => {
    const { version } = findProgramFiles()
    await context.print({
      value: { version, node: process.versions.node },
      names: [version],
      table: () => `atoll ${version} (Node ${process.versions.node})`,
    })
  })
  addExamples(command, [['atoll version -o name', 'the number alone']])
}
