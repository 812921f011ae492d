import { createHmac, randomBytes } from 'node:crypto'
import { buildAdmission } from '#xds/build/build-admission.ts'
import type { Admission } from '#xds/model/admission.ts'
import type { EncodedResource } from '#xds/resource-set.ts'
import type { Credential } from './parse-credential.ts'

/** Of this process alone: versions appear in logs and dumps, and whoever guesses a password could see there whether it is right. */
const versionKey = randomBytes(32)

/** What a proxy's filter of clients does, with what they are known by. */
export const buildClients = (admission: Admission, credential: Credential | undefined): EncodedResource => {
  const clients = admission.keys ? credential?.apiKeys : credential?.users
  const resource = buildAdmission(admission, clients?.known ?? [])
  return { ...resource, version: createHmac('sha256', versionKey).update(resource.body).digest('hex').slice(0, 16) }
}
