import type { LoadReport } from './load-report.ts'

interface Row {
  readonly fault: string
  readonly report: LoadReport
  readonly stalenessSeconds: number | undefined
  readonly note: string
}

/** What was measured: a row for each fault, as docs/faults.md has it. */
export class FaultTable {
  readonly #rows: Row[] = []

  add(fault: string, report: LoadReport, stalenessSeconds?: number, note = ''): void {
    this.#rows.push({ fault, report, stalenessSeconds, note })
  }

  toString(): string {
    const header = ['fault', 'requests', 'failed', 'over 1 s', 'slowest, s', 'stale, s', '']
    const rule = ['---', '--:', '--:', '--:', '--:', '--:', '---']
    const lines = this.#rows.map(({ fault, report: { sent, failures, slow, slowestMs }, stalenessSeconds, note }) => {
      const about = [...countReasons(failures), note].filter((text) => text !== '').join('; ')
      return [
        fault,
        sent,
        failures.length,
        slow,
        (slowestMs / 1000).toFixed(1),
        stalenessSeconds?.toFixed(1) ?? '',
        about,
      ]
    })
    return [header, rule, ...lines].map((cells) => `| ${cells.join(' | ')} |\n`).join('')
  }
}

const countReasons = (failures: LoadReport['failures']): string[] => {
  const counts = new Map<string, number>()
  for (const { why } of failures) counts.set(why, (counts.get(why) ?? 0) + 1)
  return [...counts].map(([why, count]) => `${count}× ${why}`)
}
