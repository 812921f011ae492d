import { findProxyExtensions, type ProxyExtensionKey } from '#mesh/security/select-proxy-extensions.ts'
import { buildExtension } from '#xds/build/build-extension.ts'
import { compileExtension } from '#xds/compile/compile-extension.ts'
import { collectProblems } from '#xds/compile/report.ts'
import type { Unit } from '#xds/incremental/unit.ts'

/** What the filter of extensions does in the listeners of all proxies of a namespace for which these ProxyExtensions are. */
export const extensionUnit = (objects: ProxyExtensionKey, namespace: string): Unit => ({
  key: objects === '' ? 'extension' : `extension|${namespace}|${objects}`,
  compile(view) {
    const { problems, report } = collectProblems()
    const extension = compileExtension(view, findProxyExtensions(view, objects), namespace, report)
    return { resources: [buildExtension(extension)], problems }
  },
})
