import type { Configured } from '../config-object.ts'
import { isForeignHost, MANY_OWNERS, ownerOfHost } from '../host-owner.ts'
import type { ServiceEntrySpec } from '../config/service-entry.ts'
import type { Problem } from '../problem.ts'
import { problemOf } from './analyzed-objects.ts'

/** Hosts of a ServiceEntry that are another namespace's by name: nothing is offered for them, wherever it is written. */
export const findForeignHosts = (
  object: Configured<ServiceEntrySpec>,
  domainSuffix: string,
  severity: Problem['severity'],
): readonly Problem[] =>
  object.spec.hosts.flatMap((host, index) => {
    const { namespace } = object.metadata
    if (!isForeignHost(host, namespace, domainSuffix)) return []
    const owner = ownerOfHost(host, domainSuffix)
    const message =
      owner === MANY_OWNERS
        ? `${host} covers names of all namespaces: name hosts of ${namespace}, or outside ".svc.${domainSuffix}"`
        : `${host} is a name of the namespace ${owner}: only a ServiceEntry in ${owner} may have it: apply it there ("-n ${owner}"), or give a Service there its ports`
    return [problemOf(object, 'conflict', severity, ['spec', 'hosts', index], message)]
  })
