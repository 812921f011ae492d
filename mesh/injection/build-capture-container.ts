import { captureContainer } from '../kubernetes/conventions.ts'
import { temporaryVolume } from './build-proxy-container.ts'
import { buildCaptureScript } from './capture-rules.ts'
import type { CaptureSettings } from './capture-settings.ts'
import type { Container } from './pod.ts'
import type { ProxyOptions } from './proxy-options.ts'

/** Sets capture up and ends. It may change the pod's network, and nothing else. */
export const buildCaptureContainer = ({ image, resources }: ProxyOptions, capture: CaptureSettings): Container => ({
  name: captureContainer,
  image,
  command: ['sh', '-ec', buildCaptureScript(capture)],
  // The legacy iptables locks a file, and this is the one folder that can be written.
  env: [{ name: 'XTABLES_LOCKFILE', value: '/tmp/xtables.lock' }],
  resources,
  securityContext: {
    allowPrivilegeEscalation: false,
    capabilities: { add: ['NET_ADMIN', 'NET_RAW'], drop: ['ALL'] },
    privileged: false,
    readOnlyRootFilesystem: true,
    runAsGroup: 0,
    runAsNonRoot: false,
    runAsUser: 0,
    seccompProfile: { type: 'RuntimeDefault' },
  },
  volumeMounts: [{ name: temporaryVolume, mountPath: '/tmp' }],
})
