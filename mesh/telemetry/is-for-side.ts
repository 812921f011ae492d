import type { WorkloadMode } from '../config/telemetry.ts'
import type { CallSide } from './telemetry-for-proxy.ts'

/** Whether a rule is for a side of calls. */
export const isForSide = (mode: WorkloadMode = 'CLIENT_AND_SERVER', side: CallSide): boolean =>
  mode === 'CLIENT_AND_SERVER' || mode === (side === 'client' ? 'CLIENT' : 'SERVER')
