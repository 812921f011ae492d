import type { ProxyCredentials } from '#agent/credentials/proxy-credentials.ts'
import type { ChangeSink } from './change-flow.ts'

/** What a revision names of Secrets counts to it: it is live when proxies have that, too. */
export const settlingSink = (credentials: Pick<ProxyCredentials, 'settle'>, sink: ChangeSink): ChangeSink => ({
  push: () => sink.push(),
  compiled(revision) {
    credentials.settle()
    sink.compiled(revision)
  },
})
