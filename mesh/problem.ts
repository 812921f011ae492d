import { z } from 'zod'

/**
 * Something wrong with an object that a person wrote. Codes are stable: scripts match on them, docs/problems.md lists them.
 */
export const problemCode = z.enum([
  'syntax', // not YAML or JSON, duplicate keys, not an object
  'too_large', // size, depth, number of objects
  'unknown_kind',
  'unknown_field',
  'invalid', // a value of the wrong type, out of range, or against the reference
  'unsupported', // upstream has it, Atoll does not (yet)
  'deprecated', // still works, and upstream means to drop it
  'ineffective', // allowed, and nothing or something else follows from it
  'unreachable', // a route or match that an earlier one leaves nothing to
  'ambiguous', // can be meant in several ways
  'dangling_reference', // names an object that does not exist
  'selects_nothing', // a selector that no workload has the labels of, a host that no service is
  'conflict', // two objects want the same thing
  'drift', // clusters say different things of one service
  'duplicate', // the same object twice in one apply
  'forbidden',
  'port_name', // says nothing of its protocol
  'unknown_annotation',
])
export type ProblemCode = z.infer<typeof problemCode>

/** What a code is about. `reference`: whether an object is right depends on others being there. */
export type ProblemClass = 'schema' | 'semantic' | 'reference' | 'style'
export const problemClasses: Readonly<Record<ProblemCode, ProblemClass>> = {
  syntax: 'schema',
  too_large: 'schema',
  unknown_kind: 'schema',
  unknown_field: 'schema',
  invalid: 'schema',
  unsupported: 'schema',
  deprecated: 'schema',
  ineffective: 'semantic',
  unreachable: 'semantic',
  ambiguous: 'semantic',
  dangling_reference: 'reference',
  selects_nothing: 'reference',
  conflict: 'semantic',
  drift: 'semantic',
  duplicate: 'semantic',
  forbidden: 'semantic',
  port_name: 'style',
  unknown_annotation: 'style',
}

export const problem = z.object({
  code: problemCode,
  severity: z.enum(['error', 'warning']),
  /** Absent when the document did not get so far. */
  object: z.object({ kind: z.string(), namespace: z.string(), name: z.string() }).optional(),
  /** Where inside the object, such as `spec.http[0].route[1].weight`; "" = the whole object. */
  path: z.string(),
  /** What is wrong and what to do, for a person. */
  message: z.string(),
  /** Place in the submitted text, 1-based, where known. */
  document: z.int().optional(),
  line: z.int().optional(),
})
export type Problem = z.infer<typeof problem>

/** Whether something is wrong, and not only worth a word. */
export const hasErrors = (problems: readonly { readonly severity: string }[]): boolean =>
  problems.some(({ severity }) => severity === 'error')
