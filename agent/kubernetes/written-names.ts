import { z } from 'zod'
import { parseJson } from '#mesh/parse-json.ts'

/** The names of all labels and annotations that an agent has written on an entry, as JSON. */
const writtenAnnotation = 'atoll.dev/workload-written'

const namesByKind = z.object({ labels: z.array(z.string()), annotations: z.array(z.string()) }).readonly()

type Texts = Readonly<Record<string, string>>

interface Metadata {
  readonly labels?: Texts | undefined
  readonly annotations?: Texts | undefined
}

/** The annotations that are to be written, with the one that says what is. */
export const withWrittenNames = ({ labels = {}, annotations = {} }: Metadata): Texts => {
  const names = { labels: Object.keys(labels).toSorted(), annotations: Object.keys(annotations).toSorted() }
  return { ...annotations, [writtenAnnotation]: JSON.stringify(names) }
}

/** The labels and annotations of an agent's entry that no agent has written. */
export const toOthers = ({
  labels = {},
  annotations = {},
}: Metadata): { readonly labels: Texts; readonly annotations: Texts } => {
  const written = readWrittenNames(labels, annotations)
  return { labels: without(labels, written.labels), annotations: without(annotations, written.annotations) }
}

const readWrittenNames = (labels: Texts, annotations: Texts): z.output<typeof namesByKind> => {
  const list = annotations[writtenAnnotation]
  // Agents that kept no list left nothing on an entry but what they wrote themselves.
  if (list === undefined) return { labels: Object.keys(labels), annotations: Object.keys(annotations) }
  const read = namesByKind.safeParse(parseJson(list))
  if (read.success) return read.data
  // A list of both kinds, as it was at first: what may be a label's name is not taken for an annotation's.
  const names = list.split(',')
  return { labels: names, annotations: names.filter((name) => labels[name] === undefined) }
}

const without = (present: Texts, names: readonly string[]): Texts => {
  const left = new Set(names)
  return Object.fromEntries(Object.entries(present).filter(([name]) => !left.has(name)))
}
