import type { ObjectDiff } from '#api/schemas/revisions.ts'
import type { CliContext } from '../cli-context.ts'

/** Objects that differ, line by line. */
export const printDifferences = async (context: CliContext, differences: readonly ObjectDiff[]): Promise<void> => {
  const { toDiffText } = await import('./object-diff-text.ts')
  await context.print({
    value: { items: differences },
    names: differences.map(({ key }) => key),
    table: (paint) =>
      differences.length === 0
        ? 'There is no difference.'
        : differences
            .map(({ key, action, before, after }) => toDiffText(`${key} ${action}`, before, after, paint))
            .join('\n'),
  })
}
