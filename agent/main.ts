#!/usr/bin/env node
import { Command } from 'commander'
import { AgentError } from './agent-error.ts'
import { agentVersion } from './agent-version.ts'
import { loadConfig, type AgentFlags } from './config.ts'
import { createLog, type Log } from './log.ts'
import { runAgent, toExitCode } from './run-agent.ts'

const help = `
Examples:
  $ atoll-agent run --config east-agent/agent.yaml
  $ atoll-agent run --config agent.yaml --join-token-file join-token
  $ ATOLL_AGENT_LOG_LEVEL=debug atoll-agent run --config agent.yaml

Every flag is also an environment variable (ATOLL_AGENT_PLANE, ATOLL_AGENT_DATA, …) and a field of the file; a flag wins over the
variable, the variable over the file. Gateways are a field of the file only. docs/universal.md tells what each means.

Exit codes:
  0  stopped by SIGTERM or SIGINT     3  not joined, or the plane refused the join
  1  something unforeseen             4  the data directory can't be used
  2  the configuration is wrong       5  an address can't be listened on
`

interface RunFlags {
  readonly config?: string
  readonly plane?: string
  readonly registry?: string
  readonly directory?: string
  readonly kubeconfig?: string
  readonly data?: string
  readonly xdsAddress?: string
  readonly httpAddress?: string
  readonly network?: string
  readonly joinTokenFile?: string
  readonly planeCaFile?: string
  readonly proxyUrl?: string
  readonly sealingKeyFile?: string
  readonly logLevel?: string
}

const toAgentFlags = ({ config: _config, data, ...flags }: RunFlags): AgentFlags => ({
  ...flags,
  ...(data === undefined ? {} : { dataDirectory: data }),
})

const run = async (flags: RunFlags): Promise<void> => {
  let log: Log = createLog('info')
  const stop = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort())
  for (const event of ['uncaughtException', 'unhandledRejection'] as const)
    process.on(event, (error) => {
      log.fatal({ err: error }, 'the agent fails')
      process.exit(1)
    })
  try {
    const config = loadConfig(flags.config, toAgentFlags(flags), process.env)
    log = createLog(config.logLevel)
    log.info(
      { version: agentVersion, plane: config.plane, registry: config.registry, data: config.dataDirectory },
      'agent starting',
    )
    await runAgent(config, log, stop.signal)
    log.info('agent stopped')
    process.exit(0)
  } catch (error) {
    if (stop.signal.aborted) process.exit(0)
    if (error instanceof AgentError) log.fatal({ code: error.code }, error.message)
    else log.fatal({ err: error }, 'the agent fails')
    process.exit(toExitCode(error))
  }
}

const program = new Command('atoll-agent')
  .description(
    'The agent of one cluster of an Atoll mesh: tells the control plane what runs there, and programs the local proxies.',
  )
  .version(agentVersion)
  .addHelpText('after', help)
  .showHelpAfterError()

program
  .command('run')
  .description('join the mesh if this agent has not yet, then serve until stopped')
  .option('-c, --config <file>', 'the configuration file (agent.yaml)')
  .option('--plane <url>', 'the control plane')
  .option('--registry <kind>', 'directory (the default) or kubernetes')
  .option('--directory <folder>', 'the registry: a directory of YAML')
  .option('--kubeconfig <file>', 'how the API server is reached, when the agent is not one of its pods')
  .option('--data <folder>', 'where keys and the last known good state are kept')
  .option('--xds-address <host:port>', 'where proxies get their configuration')
  .option('--http-address <host:port>', '/healthz, /readyz, /metrics')
  .option('--network <name>', 'instead of the network that the cluster was joined with')
  .option('--join-token-file <file>', 'the join token, when this agent has not joined yet')
  .option('--plane-ca-file <file>', "PEM: what the plane's certificate is verified against")
  .option('--proxy-url <url>', 'the HTTP proxy on the way to the plane')
  .option('--sealing-key-file <file>', '32 bytes in base64: seals what is in the data folder')
  .option('--log-level <level>', 'fatal, error, warn, info, debug, trace')
  .addHelpText('after', help)
  .action(run)

await program.parseAsync()
