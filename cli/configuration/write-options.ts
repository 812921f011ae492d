import type { Command, Option } from 'commander'
import { durationOption } from '../duration.ts'
import { parseWholeNumber } from '../number-option.ts'

/** The options of every command that writes configuration. */
export const addWriteOptions = (command: Command): Command =>
  command
    .option('--dry-run', 'check, and show what would change; of policies also for which calls')
    .addOption(sinceOption())
    .option('--wait', 'wait until the revision is live on the proxies')
    .addOption(durationOption('--timeout <duration>', 'how long to wait', '60s'))
    .option('--if-revision <number>', 'only if this is still the newest revision', parseWholeNumber)

/** How far back a dry run looks for calls that would be answered otherwise. */
export const sinceOption = (): Option =>
  durationOption('--since <duration>', 'with --dry-run: how far back to look for calls, from 1m to 7d', '1h', {
    least: '1m',
    most: '7d',
  })
