import { z } from 'zod'
import { err, ok } from '../result.ts'
import type { AnnotationReader, ParseText } from './annotation-reader.ts'

export type AddressFamily = 'ipv4' | 'ipv6'

export interface AddressRange {
  readonly family: AddressFamily
  readonly cidr: string
}

/** Which TCP connections of a pod go through its proxy. "all" is Istio's "*". */
export interface CaptureSettings {
  readonly inboundPorts: 'all' | readonly number[]
  /** Counts where all inbound ports are captured. */
  readonly excludedInboundPorts: readonly number[]
  /** Captured whatever their address is, but for excluded ranges. */
  readonly outboundPorts: readonly number[]
  readonly excludedOutboundPorts: readonly number[]
  readonly outboundRanges: 'all' | readonly AddressRange[]
  readonly excludedOutboundRanges: readonly AddressRange[]
  /** What comes or goes through these is left alone. */
  readonly excludedInterfaces: readonly string[]
  /** What comes in through these was sent by the workload (a virtual machine in the pod). */
  readonly virtualInterfaces: readonly string[]
}

const rerouteAnnotation = 'istio.io/reroute-virtual-interfaces'

const toAnnotation = (name: string): string => `traffic.sidecar.istio.io/${name}`

/** Istio reference: Resource Annotations, `traffic.sidecar.istio.io/…`. Absent = everything is captured. */
export const readCaptureSettings = (reader: AnnotationReader): CaptureSettings => {
  const rerouted = reader.read(rerouteAnnotation, parseInterfaces)
  const virtual = reader.read(toAnnotation('kubevirtInterfaces'), parseInterfaces)
  return {
    inboundPorts: reader.read(toAnnotation('includeInboundPorts'), orAll(parsePorts)) ?? 'all',
    excludedInboundPorts: reader.read(toAnnotation('excludeInboundPorts'), parsePorts) ?? [],
    outboundPorts: reader.read(toAnnotation('includeOutboundPorts'), parsePorts) ?? [],
    excludedOutboundPorts: reader.read(toAnnotation('excludeOutboundPorts'), parsePorts) ?? [],
    outboundRanges: reader.read(toAnnotation('includeOutboundIPRanges'), orAll(parseRanges)) ?? 'all',
    excludedOutboundRanges: reader.read(toAnnotation('excludeOutboundIPRanges'), parseRanges) ?? [],
    excludedInterfaces: reader.read(toAnnotation('excludeInterfaces'), parseInterfaces) ?? [],
    virtualInterfaces: rerouted ?? virtual ?? [],
  }
}

/** A list's text ends up in a script: nothing gets there that is not exactly what it should be. An empty text is an empty list. */
const parseList =
  <T>(what: string, parse: (item: string) => T | undefined): ParseText<readonly T[]> =>
  (text) => {
    const items = text.trim() === '' ? [] : text.split(',').map((item) => item.trim())
    if (items.length > maxItems) return err(`has more than ${maxItems} entries`)
    const parsed: T[] = []
    for (const item of items) {
      const value = parse(item)
      if (value === undefined) return err(`"${item}" is not ${what}`)
      parsed.push(value)
    }
    return ok(parsed)
  }

const maxItems = 500
const maxPort = 65_535

const orAll =
  <T>(parse: ParseText<readonly T[]>): ParseText<'all' | readonly T[]> =>
  (text) =>
    text.trim() === '*' ? ok('all') : parse(text)

const parsePorts = parseList('a port (1 to 65535)', (item) => {
  const port = /^\d{1,5}$/.test(item) ? Number(item) : 0
  return port >= 1 && port <= maxPort ? port : undefined
})

const cidrs: readonly { readonly family: AddressFamily; readonly schema: z.ZodType<string> }[] = [
  { family: 'ipv4', schema: z.cidrv4() },
  { family: 'ipv6', schema: z.cidrv6() },
]

const parseRanges = parseList('a range of addresses such as 10.0.0.0/8', (item): AddressRange | undefined => {
  const match = cidrs.find(({ schema }) => schema.safeParse(item).success)
  return match && { family: match.family, cidr: item }
})

/** Names as Linux allows them (IFNAMSIZ), without "+", which is a wildcard for iptables. */
const parseInterfaces = parseList('the name of a network interface', (item) =>
  /^[A-Za-z0-9][\w.-]{0,14}$/.test(item) ? item : undefined,
)
