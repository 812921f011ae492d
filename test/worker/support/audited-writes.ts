/**
 * The event that each route leaves which changes something, by its operation. Null: it changes nothing of the mesh or the org.
 * test/worker/audited-writes.test.ts asks for each of them, and looks for its event and for secrets in it.
 */
export const auditedWrites: Readonly<Record<string, string | null>> = {
  addIssuer: 'issuer.add',
  applyConfiguration: 'configuration.apply',
  beginDeviceSignIn: null,
  confirmHold: 'hold.confirm',
  continueRotation: 'rotation.continue',
  createJoinToken: 'join-token.create',
  createMachineToken: 'machine-token.create',
  createMember: 'member.create',
  createMesh: 'mesh.create',
  createPublishGrant: 'publish-grant.create',
  createRootRequest: 'root-request.create',
  createToken: 'token.create',
  deleteConfigurationObject: 'configuration.delete',
  deleteMesh: 'mesh.delete',
  // Whose log is gone with it: a line in the platform's own.
  deleteOrg: null,
  endSession: 'session.end',
  evictCluster: 'cluster.evict',
  exportTelemetry: null,
  join: 'cluster.join',
  pauseRotation: 'rotation.pause',
  postPrometheusLabels: null,
  postPrometheusQuery: null,
  postPrometheusQueryRange: null,
  postPrometheusSeries: null,
  redeemDeviceSignIn: 'member.sign-in',
  redeemSignIn: 'member.sign-in',
  removeIssuer: 'issuer.remove',
  resumeRotation: 'rotation.resume',
  removeMember: 'member.delete',
  removeRootRequest: 'root-request.remove',
  removeSignIn: 'sign-in.remove',
  revokeJoinToken: 'join-token.revoke',
  revokeMachineToken: 'machine-token.revoke',
  revokePublishGrant: 'publish-grant.revoke',
  revokeToken: 'token.revoke',
  rollBackRotation: 'rotation.rollback',
  rollBackToRevision: 'configuration.rollback',
  setSignIn: 'sign-in.set',
  setup: 'org.create',
  startRotation: 'rotation.start',
  updateMember: 'member.update',
  updateMesh: 'mesh.update',
}

/** Those that take an identity provider: test/cli/sign-in.test.ts has one. */
export const writesWithProvider: readonly string[] = [
  'endSession',
  'redeemDeviceSignIn',
  'redeemSignIn',
  'removeSignIn',
  'setSignIn',
]
