import { Argument } from 'commander'
import type { Command } from 'commander'
import type { CliContext } from '../cli-context.ts'
import { completionScripts, shells } from '../completion/scripts.ts'
import type { Shell } from '../completion/scripts.ts'
import { addExamples } from '../examples.ts'

export const defineCompletion = (command: Command, context: CliContext): void => {
  command
    .addArgument(new Argument('<shell>').choices([...shells]))
    .action((shell: Shell) => void context.io.stdout.write(completionScripts[shell]))
  addExamples(command, [
    ['source <(atoll completion bash)', 'in ~/.bashrc'],
    ['source <(atoll completion zsh)', 'in ~/.zshrc, after compinit'],
    ['atoll completion fish > ~/.config/fish/completions/atoll.fish', 'once'],
  ])
}
