import { realpathSync } from 'node:fs'
import { join } from 'node:path'
import { agentUser, proxyUser } from '#mesh/kubernetes/conventions.ts'
import { envoyPath } from '../../../scripts/envoy-path.mjs'
import { bookinfoImages } from './bookinfo-images.ts'
import { checkout, nodeImage, type LabImage } from './lab-image.ts'

/** The images that every lab has; a tag or digest after the name is ignored. `agentFiles` are those of the agent's image. */
export const standardImages = (agentFiles: string): Readonly<Record<string, LabImage>> => ({
  'atoll/agent': {
    ...nodeImage('atoll-agent.js', [], agentUser, join(agentFiles, checkout)),
    env: { NODE_ENV: 'production' },
  },
  'atoll/proxy': {
    entrypoint: ['/usr/local/bin/envoy'],
    files: { '/usr/local/bin/envoy': realpathSync(envoyPath()) },
    user: String(proxyUser),
  },
  // Sets capture up: has iptables and nft.
  'atoll/init': { entrypoint: ['/bin/sh'] },
  // The echo application: APP is its name (else the pod's), PORT its port (8080).
  'lab/app': nodeImage('test/lab/images/app.ts', [], 1000),
  // This machine's programs.
  'lab/host': { entrypoint: ['/bin/sh'] },
  // Of Istio's sample `curl`.
  'curlimages/curl': { entrypoint: ['curl'] },
  'docker.io/curlimages/curl': { entrypoint: ['curl'] },
  ...bookinfoImages,
})
