import type { Listener } from './listener.ts'

/** Whether calls that come to a listener are for its proxy's workload. Who passes on what comes in, as an east-west gateway does, is called by nobody. */
export const isCalled = ({ direction, chains }: Listener): boolean =>
  direction === 'inbound' && chains.every(({ handler }) => handler.kind !== 'sni')
