/** What made an object, of its metadata. */
export interface Owner {
  readonly kind: string
  readonly name: string
  readonly controller?: boolean | undefined
}

const templateHashLabel = 'pod-template-hash'

/** Minutes since the epoch, which a CronJob gives its Jobs' names. */
const ofCronJob = /^(.+)-\d{8,10}$/

/**
 * The name of what a person wrote for a pod to be: of a ReplicaSet its Deployment, of a Job its CronJob, else what made it. Undefined: it
 * was made by nobody. (Both names are known without looking at what lies between: Kubernetes reference, Deployments and CronJobs.)
 */
export const toControllerName = (
  owners: readonly Owner[],
  labels: Readonly<Record<string, string>>,
): string | undefined => {
  const owner = owners.find(({ controller }) => controller)
  if (!owner) return undefined
  const { kind, name } = owner
  const hash = labels[templateHashLabel]
  if (kind === 'ReplicaSet' && hash !== undefined && name.endsWith(`-${hash}`)) return name.slice(0, -hash.length - 1)
  return kind === 'Job' ? (ofCronJob.exec(name)?.[1] ?? name) : name
}
