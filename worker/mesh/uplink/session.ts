import { z } from 'zod'
import { auditEvent } from '#api/schemas/audit.ts'
import { trustReport } from '#mesh/trust.ts'
import type { TrustReport } from '#mesh/trust.ts'
import { delivery } from '#mesh/uplink.ts'
import type { Delivery, PlaneMessage } from '#mesh/uplink.ts'

/**
 * What the plane knows of one WebSocket. It lives in the socket's attachment, which outlasts the object's sleep (hibernation); the
 * platform takes 16 KiB there.
 */
const greeting = z.object({
  phase: z.literal('greeting'),
  id: z.string(),
  openedAt: z.number(),
  /** What the agent has to sign; good for one answer. */
  nonce: z.string(),
  client: auditEvent.shape.client,
})

const open = z.object({
  phase: z.literal('open'),
  id: z.string(),
  cluster: z.string(),
  replica: z.string(),
  agentVersion: z.string(),
  client: auditEvent.shape.client,
  connectedAt: z.number(),
  /** When the agent last said something other than `ping`. */
  heardAt: z.number(),
  /** Whether this session's claim to be the reporter was granted. */
  reporting: z.boolean(),
  /** Whether the agent can be told what became of what its cluster publishes. */
  publishes: z.boolean().optional(),
  /** Whether the agent can be asked which proxies are not connected to it. */
  tellsAbsent: z.boolean().optional(),
  /** Whether the agent knows what a machine token of the role `gateway` is. */
  knowsGateways: z.boolean().optional(),
  /** … and what one of a WorkloadGroup is. */
  knowsGroups: z.boolean().optional(),
  /** Whether the agent takes tokens to send telemetry with, and until when the one is good that it has. */
  sendsTelemetry: z.boolean().optional(),
  telemetryUntil: z.number().optional(),
  /** Whether the agent tells who holds which trust, and hears which intermediate it is to sign with. */
  tellsTrust: z.boolean().optional(),
  /** What it told last. */
  trust: trustReport.optional(),
  /** Whether the agent asks for leases of limits of the scope MESH: others are not told of those. */
  takesLeases: z.boolean().optional(),
  /** The capabilities that this version has and the agent does not. */
  lacks: z.array(z.string()).optional(),
  /** Place in the state log up to which everything was sent; 0 = nothing yet: a snapshot is due. */
  sent: z.int(),
  /** Positions of the batches that were sent and not acknowledged, oldest first. */
  unacknowledged: z.array(z.int()),
  /** Since when there have been any. */
  unacknowledgedSince: z.number(),
  /** Characters of those of them that are large. */
  bulkChars: z.int(),
  delivery: delivery.nullable(),
})

export const attachment = z.discriminatedUnion('phase', [greeting, open])
export type Attachment = z.infer<typeof attachment>
export type Greeting = z.infer<typeof greeting>
export type Open = z.infer<typeof open>

/** Room for the delivery report in an attachment, in characters of JSON, and for that on the trust. */
const MAX_DELIVERY_CHARS = 3_000

/** A delivery report that fits: the counts always do, details go from the end. */
export const trimDelivery = (report: Delivery): Delivery => {
  const trimmed = { ...report, laggards: [...report.laggards], nacks: [...report.nacks] }
  while (JSON.stringify(trimmed).length > MAX_DELIVERY_CHARS) {
    const longer =
      JSON.stringify(trimmed.nacks).length > JSON.stringify(trimmed.laggards).length ? trimmed.nacks : trimmed.laggards
    longer.pop()
  }
  return trimmed
}

/** A report on the trust that fits: the counts always do, names go from the end. */
export const trimTrust = (report: TrustReport): TrustReport => {
  const trimmed = { ...report, laggards: [...report.laggards], untrusted: [...report.untrusted] }
  while (JSON.stringify(trimmed).length > MAX_DELIVERY_CHARS) {
    // Of whom it does not trust one is left: that there is any counts.
    if (trimmed.laggards.length > 0) trimmed.laggards.pop()
    else trimmed.untrusted.pop()
  }
  return trimmed
}

/** An established session. `state` is replaced, never changed, and only by `Sessions`. */
export interface Session {
  readonly socket: WebSocket
  readonly state: Open
}

export const sendMessage = (socket: WebSocket, message: PlaneMessage): void => sendText(socket, JSON.stringify(message))

/** A socket that is closing takes nothing more, and its end is handled where it is heard of. */
export const sendText = (socket: WebSocket, text: string): void => {
  if (socket.readyState === WebSocket.OPEN) socket.send(text)
}
