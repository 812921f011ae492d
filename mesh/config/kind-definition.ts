import type { z } from 'zod'
import type { ConfigObject, Configured } from '../config-object.ts'
import type { Problem, ProblemCode } from '../problem.ts'
import { exportToFaults } from './schema/export-to.ts'

/** Reports a problem of the object under check: of an error the code is `invalid`, of a warning `ineffective`, unless told otherwise; `path` is from the object's root, such as ['spec', 'hosts', 0]. */
export type Report = (
  path: readonly PropertyKey[],
  message: string,
  options?: { readonly code?: ProblemCode; readonly severity?: Problem['severity'] },
) => void

/** One kind of configuration object: what people may write, and what of it Atoll understands. */
export interface KindDefinition<Spec = unknown> {
  /** "" is Kubernetes' core group. */
  readonly group: string
  /** The preferred one first; all have the same fields. */
  readonly versions: readonly string[]
  readonly kind: string
  /** Lower case, as in Kubernetes' URLs and on the command line. */
  readonly plural: string
  readonly schema: z.ZodType<Spec>
  /** What the mesh and what a cluster says in objects of one key is in force together: none replaces the other. */
  readonly addsUp?: true
  /** A spec to be in force instead of one that is refused, where being without it would open something; of that one it has for whom it is. */
  closed?(spec: unknown): ConfigObject['spec']
  /** Annotations that can not be of such a spec: what is in force instead of it goes without them. Absent = none. */
  misplacedAnnotations?(spec: unknown): readonly string[]
  /** What depends on the metadata, and what is only worth a warning. Called with a spec that the schema has accepted. */
  check?(object: Configured<Spec>, report: Report): void
}

/** "networking.istio.io/v1", "v1". */
export const toApiVersion = (definition: KindDefinition, version: string): string =>
  definition.group === '' ? version : `${definition.group}/${version}`

export const checkExportTo = (
  object: Configured<{ readonly exportTo?: readonly string[] | undefined }>,
  report: Report,
  options?: { readonly none?: boolean },
): void => {
  for (const { index, message } of exportToFaults(object.spec.exportTo ?? [], object.metadata.namespace, options)) {
    report(['spec', 'exportTo', index], message)
  }
}

/** networking.istio.io's kinds are served in three versions that have the same fields. */
export const istioNetworking = { group: 'networking.istio.io', versions: ['v1', 'v1beta1', 'v1alpha3'] } as const
