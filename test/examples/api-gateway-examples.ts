import type { Narrator } from '#test/demo/narrator.ts'
import type { TwoClusters } from '#test/harness/two-clusters.ts'
import { tellAttached } from './attached.ts'
import { tellInside } from './inside.ts'
import { tellOutside } from './outside.ts'

/** The places that an API gateway has in front of a mesh, by name; each shows that it works, one after the other in one mesh. */
export const apiGatewayExamples: ReadonlyMap<string, (mesh: TwoClusters, narrator: Narrator) => Promise<void>> =
  new Map([
    ['outside', tellOutside],
    ['inside', tellInside],
    ['attached', tellAttached],
  ])
