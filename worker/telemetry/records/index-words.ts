import type { Columns } from './record-table.ts'
import type { RecordSignal } from './signal-fields.ts'

/** Fields that a search asks about by their exact values. Those of one group are asked about together: "source or destination". */
export type WordGroup = 'trace' | 'service' | 'workload' | 'namespace' | 'principal'

const groups: Readonly<Record<RecordSignal, Readonly<Record<WordGroup, readonly string[]>>>> = {
  logs: {
    trace: ['trace_id'],
    service: [
      'destination_service',
      'destination_service_name',
      'destination_canonical_service',
      'source_canonical_service',
      'service',
    ],
    workload: ['source_workload', 'destination_workload'],
    namespace: ['source_workload_namespace', 'destination_workload_namespace', 'destination_service_namespace'],
    principal: ['source_principal', 'destination_principal'],
  },
  traces: {
    trace: ['trace_id'],
    service: ['service'],
    workload: ['workload'],
    namespace: ['namespace'],
    principal: [],
  },
}

export const fieldsOfGroup = (signal: RecordSignal, group: WordGroup): readonly string[] => groups[signal][group]

/** What a value of a group's fields is in an index. */
export const toIndexWord = (group: WordGroup, value: string): string => `${group}=${value}`

/** All that can be asked about these records by exact values. */
export const toIndexWords = (signal: RecordSignal, { columns }: Columns): ReadonlySet<string> => {
  const words = new Set<string>()
  for (const [group, fields] of Object.entries(groups[signal]) as [WordGroup, readonly string[]][])
    for (const field of fields)
      for (const cell of new Set(columns.get(field))) if (cell !== null) words.add(toIndexWord(group, String(cell)))
  return words
}
