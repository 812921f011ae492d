import { ApiKeyAuthSchema } from '#envoy/envoy/extensions/filters/http/api_key_auth/v3/api_key_auth_pb.ts'
import { BasicAuthSchema } from '#envoy/envoy/extensions/filters/http/basic_auth/v3/basic_auth_pb.ts'
import { RBACSchema } from '#envoy/envoy/extensions/filters/http/rbac/v3/rbac_pb.ts'
import type { UnitResource } from '#xds/incremental/unit.ts'
import type { Admission, KnownClient } from '#xds/model/admission.ts'
import type { EncodedResource, Fallback } from '#xds/resource-set.ts'
import { buildRefusal } from './build-refusal.ts'
import { buildDiscovered, toDiscovered } from './discovered-filter.ts'

export const admissionFilterName = 'atoll.client-authentication'

/**
 * Which client it is: the first of all that is asked of a request. What comes after may go by the client's name, those too whom a policy of the
 * action CUSTOM asks, and nobody is asked on account of a request that nobody vouches for.
 */
export const admissionFilter = toDiscovered(admissionFilterName, RBACSchema, ApiKeyAuthSchema, BasicAuthSchema)

/** Lets everybody in. */
export const openAdmission = buildDiscovered(admissionFilterName, RBACSchema, {})

/** Lets nobody in. */
export const closedAdmission = buildRefusal(admissionFilterName, 'client-not-known')

/** Lets these clients in. It holds their keys, and so is made where they are known: in the agent, for the proxies that may have them. */
export const buildAdmission = (admission: Admission, clients: readonly KnownClient[]): EncodedResource => {
  if (clients.length === 0) return closedAdmission.resource
  const { resource } = admission.keys
    ? buildKeys(admission.clientHeader, admission.keys, clients)
    : buildUsers(admission.clientHeader, clients)
  // What a proxy says of what it refuses may have a key in it.
  const without = [{ object: admission.object, reason: 'the proxy refuses what its Secret holds: nobody is let in' }]
  const fallbacks = (): readonly Fallback[] => [{ resource: closedAdmission.resource, without }]
  return { ...resource, fallbacks }
}

const buildKeys = (
  clientHeader: string,
  { from, forward }: NonNullable<Admission['keys']>,
  clients: readonly KnownClient[],
): UnitResource =>
  buildDiscovered(admissionFilterName, ApiKeyAuthSchema, {
    credentials: clients.map(({ client, proof }) => ({ client, key: proof })),
    keySources: from.map(({ header, query, cookie }) => ({
      ...(header !== undefined && { header }),
      ...(query !== undefined && { query }),
      ...(cookie !== undefined && { cookie }),
    })),
    forwarding: { header: clientHeader, hideCredentials: !forward },
  })

const buildUsers = (clientHeader: string, clients: readonly KnownClient[]): UnitResource =>
  buildDiscovered(admissionFilterName, BasicAuthSchema, {
    users: {
      specifier: {
        case: 'inlineString',
        value: clients.map(({ client, proof }) => `${client}:${proof}\n`).join(''),
      },
    },
    forwardUsernameHeader: clientHeader,
  })
