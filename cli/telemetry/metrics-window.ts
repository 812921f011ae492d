import type { Command } from 'commander'
import type { ServiceMetrics } from '#api/schemas/metrics.ts'
import { durationOption } from '../duration.ts'

/** Options that say what metrics are asked for. */
export const addWindow = (command: Command): Command =>
  command
    .addOption(
      durationOption('--window <duration>', 'over which time, from 1m to 7d', '15m', { least: '1m', most: '7d' }),
    )
    .option('--cluster <name>', 'only what proxies of this cluster tell')

/** What an answer leaves out. */
export const toMissing = ({
  unavailable,
  folded,
}: Pick<ServiceMetrics, 'unavailable' | 'folded'>): readonly string[] => [
  ...unavailable.map(({ cluster, reason }) => `Cluster ${cluster}: its metrics are missing (${reason})`),
  ...(folded === 0 ? [] : [`${folded} counts are of series that are too many, and in none of these`]),
]
