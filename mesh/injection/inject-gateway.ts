import { isFields } from '../is-fields.ts'
import { injectionStatusAnnotation, proxyContainer } from '../kubernetes/conventions.ts'
import { buildProxyContainer, proxyVolumes } from './build-proxy-container.ts'
import type { InjectionStatus } from './injection-status.ts'
import { defaultContainerAnnotation } from './pod.ts'
import type { Container, Pod } from './pod.ts'
import type { ProxyOptions } from './proxy-options.ts'

/** What Istio's charts say for an image that is the injector's to choose. */
const chosenImage = 'auto'
/** Whoever is not root may listen on all ports: Kubernetes counts this among the safe ones. */
const anyPort = { name: 'net.ipv4.ip_unprivileged_port_start', value: '0' }

export const findGatewayContainer = ({ spec }: Pod): Container | undefined =>
  spec.containers.find(({ name }) => name === proxyContainer)

/**
 * A pod that is a gateway: nothing of it is captured, and its container `istio-proxy` is filled in, or added. (Istio's template "gateway",
 * and its "Installing Gateways".) What the container says itself stays.
 */
export const injectGateway = (pod: Pod, options: ProxyOptions, revision: string): Pod => {
  const built = buildProxyContainer(options)
  const own = findGatewayContainer(pod)
  const others = pod.spec.containers.filter((container) => container !== own)
  const status: InjectionStatus = {
    initContainers: [],
    containers: [proxyContainer],
    volumes: proxyVolumes.map(({ name }) => name),
    imagePullSecrets: [],
    revision,
  }
  return {
    ...pod,
    metadata: {
      ...pod.metadata,
      annotations: {
        ...(others[0] && { [defaultContainerAnnotation]: others[0].name }),
        ...pod.metadata?.annotations,
        [injectionStatusAnnotation]: JSON.stringify(status),
      },
    },
    spec: {
      ...pod.spec,
      securityContext: allowPorts(pod.spec.securityContext),
      containers: own
        ? pod.spec.containers.map((container) => (container === own ? fillIn(built, own) : container))
        : [...pod.spec.containers, built],
      volumes: [...(pod.spec.volumes ?? []), ...proxyVolumes],
    },
  }
}

const allowPorts = (context: Pod['spec']['securityContext']): Pod['spec']['securityContext'] => {
  const sysctls = context?.sysctls ?? []
  return sysctls.some(({ name }) => name === anyPort.name)
    ? context
    : { ...context, sysctls: [...sysctls, { ...anyPort }] }
}

/** Lists whose items are told apart by a field. Kubernetes reference: Container v1 core, "patch strategy: merge". */
const itemKeys: Readonly<Record<string, string>> = { env: 'name', ports: 'containerPort', volumeMounts: 'mountPath' }

const fillIn = (built: Container, own: Container): Container => {
  const said = Object.entries(own).filter(
    ([field, value]) => !isNothing(value) && !(field === 'image' && value === chosenImage),
  )
  const merged = said.map(([field, value]) => [field, merge(field, built[field], value)])
  return { ...built, ...Object.fromEntries(merged), name: own.name }
}

const merge = (field: string, built: unknown, own: unknown): unknown => {
  if (field === 'securityContext') return isFields(built) && isFields(own) ? { ...built, ...own } : own
  const key = itemKeys[field]
  if (key === undefined || !Array.isArray(built) || !Array.isArray(own)) return own
  const names = own.map((item: unknown) => (isFields(item) ? item[key] : undefined))
  return [...built.filter((item: unknown) => !(isFields(item) && names.includes(item[key]))), ...own]
}

/** Charts leave empty objects where nothing was set, and API servers write them. */
const isNothing = (value: unknown): boolean =>
  value === null ||
  value === undefined ||
  value === '' ||
  (typeof value === 'object' && Object.keys(value).length === 0)
