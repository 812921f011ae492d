import { realpathSync } from 'node:fs'
import { join } from 'node:path'
import { agentUser, proxyUser } from '#mesh/kubernetes/conventions.ts'
import { envoyPath } from '../../../scripts/envoy-path.mjs'
import { checkout, nodeImage, type LabImage } from './lab-image.ts'
import { sampleImages } from './sample-images.ts'

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
  // Answers calls of gRPC with what they say, on PORT (9000).
  'lab/grpc': nodeImage('test/lab/images/grpc.ts', [], 1000),
  // This machine's programs.
  'lab/host': { entrypoint: ['/bin/sh'] },
  // Of Istio's samples `curl` and `sleep`.
  'curlimages/curl': { entrypoint: ['curl'] },
  'docker.io/curlimages/curl': { entrypoint: ['curl'] },
  ...sampleImages,
})

/** Where programs of this machine look for the authorities that they believe. */
const authoritiesFile = '/etc/ssl/certs/ca-certificates.crt'

/** The images, which believe the authorities of a file (PEM) instead of this machine's. */
export const withAuthorities = (
  images: Readonly<Record<string, LabImage>>,
  file: string,
): Readonly<Record<string, LabImage>> =>
  Object.fromEntries(
    Object.entries(images).map(([name, image]) => [
      name,
      {
        ...image,
        env: { ...image.env, SSL_CERT_FILE: authoritiesFile },
        files: { ...image.files, [authoritiesFile]: file },
      },
    ]),
  )
