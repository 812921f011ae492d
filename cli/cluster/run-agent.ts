import { spawn } from 'node:child_process'
import { CliError } from '../cli-error.ts'
import { findProgramFiles } from '../program-files.ts'

/** Runs the agent in the foreground, on this terminal, until it ends; signals are passed on. */
export const runAgent = (config: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const agent = spawn(process.execPath, [findProgramFiles().agent, 'run', '--config', config], {
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    const passOn = (signal: NodeJS.Signals) => agent.kill(signal)
    process.on('SIGINT', passOn).on('SIGTERM', passOn)
    agent.once('error', reject)
    agent.once('exit', (code, signal) => {
      process.off('SIGINT', passOn).off('SIGTERM', passOn)
      if (code === 0) resolve()
      else reject(new CliError('failed', `The agent ended with ${code ?? signal}`))
    })
  })
