import { typeUrls, type TypeUrl } from '#xds/type-url.ts'

const served = new Map<string, TypeUrl>(Object.values(typeUrls).map((type) => [type, type]))

export const parseTypeUrl = (text: string): TypeUrl | undefined => served.get(text)

/**
 * The types of which a first request without names means all (xDS protocol, "How the client specifies what resources to return").
 * The protocol says so of listeners and clusters; Envoy's VHDS asks in this way for the virtual hosts of its route configurations.
 */
export const wildcardTypes: ReadonlySet<TypeUrl> = new Set([typeUrls.listener, typeUrls.cluster, typeUrls.virtualHost])

/** "For LDS and CDS resources, the server must return all resources that the client has subscribed to in each" response. */
export const fullStateTypes: ReadonlySet<TypeUrl> = new Set([typeUrls.listener, typeUrls.cluster])
