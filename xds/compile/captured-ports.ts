import type { CapturedEgress } from './compile-egress.ts'
import { isTakenBy } from './host-filter.ts'

/** On which of its ports a service may be meant by captured connections. */
export interface CapturedPorts {
  /** Whether on all ports but `ports`, or on those alone. */
  readonly allBut: boolean
  /** Sorted. */
  readonly ports: readonly number[]
}

/** Undefined when on none. */
export const toCapturedPorts = (
  { byPort, rest }: CapturedEgress,
  namespace: string,
  hostname: string,
): CapturedPorts | undefined => {
  const allBut = rest !== undefined && isTakenBy([rest], namespace, hostname)
  const ports = [...byPort]
    .filter(([, hosts]) => isTakenBy([hosts], namespace, hostname) !== allBut)
    .map(([port]) => port)
    .sort((left, right) => left - right)
  return allBut || ports.length > 0 ? { allBut, ports } : undefined
}

export const hasPort = ({ allBut, ports }: CapturedPorts, port: number): boolean => ports.includes(port) !== allBut

export const toPortsKey = ({ allBut, ports }: CapturedPorts): string => `${allBut ? '-' : '+'}${ports.join('+')}`
