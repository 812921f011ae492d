import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '#agent/clock.ts'
import { createLog } from '#agent/log.ts'
import { loadSealingKey } from '#agent/store/sealing-key.ts'
import { ClusterMeter } from '#agent/telemetry/metrics/cluster-meter.ts'
import { CountsJournal } from '#agent/telemetry/metrics/counts-journal.ts'
import { toLogsMethod } from '#agent/telemetry/records/logs-method.ts'
import { RecordLog } from '#agent/telemetry/records/record-log.ts'
import { toParty } from '#agent/telemetry/to-party.ts'
import { unknownParty } from '#mesh/telemetry/party.ts'
import type { MeshView } from '#mesh/view.ts'
import type { Stage } from './stage.ts'
import type { Theatre } from './theatre.ts'

/** A meter as an agent has it, that tells no edge. `attach` it to its stage before there is traffic. */
export const createMeter = (theatre: Theatre) => {
  const directory = mkdtempSync(join(tmpdir(), 'atoll-meter-'))
  theatre.onClear(() => rmSync(directory, { recursive: true, force: true }))
  const journal = new CountsJournal({
    directory,
    key: loadSealingKey(join(directory, 'key'), true),
    report: (problem) => {
      throw new Error(problem)
    },
  })
  const late: { view?: MeshView } = {}
  const meter = new ClusterMeter({
    clock: systemClock,
    journal,
    toParty: (proxy) => {
      if (!late.view) throw new Error('no view yet')
      return toParty(late.view, proxy)
    },
    ship: () => {},
    log: createLog('silent'),
  })
  const records = new RecordLog({
    cluster: 'any',
    outbox: { isAway: () => true, received: () => {}, shed: () => {}, add: () => {} },
    clock: systemClock,
    toParty: () => unknownParty,
    onRecord: () => {},
    takeMessages: (proxy, text) => meter.takeMessages(proxy, text),
    revisionOf: () => 0,
  })
  theatre.onClear(() => records.stop())
  return {
    meter,
    methods: [meter.method, toLogsMethod((grant, message) => records.receive(grant, message))],
    attach: ({ scene }: Stage) => {
      late.view = scene.store
    },
  }
}
