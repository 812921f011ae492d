import type { ApplyResult, ChangeAction, ObjectChange } from '#api/schemas/configuration.ts'
import { toEffectLines } from '../authz/effect-text.ts'
import type { Effects } from '../authz/foretell-effects.ts'
import type { CliContext } from '../cli-context.ts'
import { requireComplete, toDeliveryText, waitForDelivery } from '../delivery/wait-for-delivery.ts'
import { findObjectTroubles, toTroubleLine } from '../delivery/object-troubles.ts'
import type { Colour, Paint } from '../output/colour.ts'
import { toProblemFields } from '../output/problem-fields.ts'
import type { PlacedProblem } from '../output/problem-text.ts'

/** The options of every command that writes configuration. */
export interface WriteOptions {
  readonly dryRun?: true
  /** In seconds. */
  readonly since: number
  readonly wait?: true
  readonly timeout: number
  readonly ifRevision?: number
}

const colours: Readonly<Partial<Record<ChangeAction, Colour>>> = {
  created: 'green',
  updated: 'yellow',
  deleted: 'red',
  unchanged: 'dim',
}

const toChangeText = ({ key, action }: ObjectChange, paint: Paint): string =>
  `${key.replace('/', ' ')} ${paint(colours[action] ?? 'yellow', action)}`

const toSummary = ({ revision, changes }: ApplyResult, dryRun: boolean): string => {
  const counts = [...new Set<ChangeAction>(['created', 'updated', 'deleted', ...changes.map(({ action }) => action)])]
    .filter((action) => action !== 'unchanged')
    .map((action) => ({ action, count: changes.filter((change) => change.action === action).length }))
    .filter(({ count }) => count > 0)
    .map(({ action, count }) => `${count} ${action}`)
  if (counts.length === 0) return `Nothing changed; the newest revision is ${revision}`
  return dryRun ? `Dry run on revision ${revision}: ${counts.join(', ')}` : `Revision ${revision}: ${counts.join(', ')}`
}

/** Shows what a write did, its warnings, and, with `--wait`, how the revision reached the proxies. */
export const printApplyResult = async (
  context: CliContext,
  mesh: string,
  result: ApplyResult & { readonly problems: readonly PlacedProblem[]; readonly effects?: Effects },
  options: WriteOptions,
): Promise<void> => {
  context.noteProblems(result.problems)
  const table = (paint: Paint) =>
    [
      ...result.changes.map((change) => toChangeText(change, paint)),
      toSummary(result, options.dryRun === true),
      ...(result.effects ? ['', ...toEffectLines(result.effects, paint)] : []),
    ].join('\n')
  const value = { ...result, problems: result.problems.map(toProblemFields) }
  const names = result.changes.map(({ key }) => key)
  if (options.wait !== true || options.dryRun === true || result.revision === 0) {
    return context.print({ value, names, table })
  }
  // A person sees what was done while the rest is still on its way.
  if (context.options.output === 'table') await context.print({ value, names, table })
  const delivery = await waitForDelivery(context, mesh, result.revision, options.timeout)
  const troubles = await findObjectTroubles(context, mesh, result)
  await context.print({ value: { ...value, delivery, troubles }, names, table: () => toDeliveryText(delivery) })
  for (const trouble of troubles) context.note(`${context.paintNotes('yellow', 'warning')} ${toTroubleLine(trouble)}`)
  requireComplete(context, delivery, options.timeout)
}
