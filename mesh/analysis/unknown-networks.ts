import type { Problem } from '../problem.ts'
import { problemOf, type AnalyzedObjects } from './analyzed-objects.ts'
import type { KnownMesh } from './known-mesh.ts'

/** Endpoints that are all that is behind the gateways of a network on which no cluster is. */
export const findUnknownNetworks = ({ serviceEntries }: AnalyzedObjects, { networks }: KnownMesh): readonly Problem[] =>
  serviceEntries.flatMap((object) =>
    (object.spec.endpoints ?? []).flatMap(({ address, network }, index) => {
      if (!networks || address !== '' || network === undefined || networks.has(network)) return []
      const message = `no cluster of the mesh is on network ${network}: its gateways can't be an endpoint`
      return [problemOf(object, 'dangling_reference', 'warning', ['spec', 'endpoints', index, 'network'], message)]
    }),
  )
