import { findWasmPlugins, splitWasmPlugins, type WasmPluginKey } from '#mesh/security/select-wasm-plugins.ts'
import { buildWasmPlugin } from '#xds/build/build-wasm-plugin.ts'
import { compileWasmPlugin } from '#xds/compile/compile-wasm-plugin.ts'
import { collectProblems } from '#xds/compile/report.ts'
import type { Unit } from '#xds/incremental/unit.ts'

/** What the filters of these WasmPlugins do. Each is the same wherever it runs: its module is encoded once, whoever is given it. */
export const wasmPluginUnits = (plugins: WasmPluginKey): readonly Unit[] =>
  splitWasmPlugins(plugins).map(wasmPluginUnit)

const wasmPluginUnit = (key: WasmPluginKey): Unit => ({
  key: `wasm-plugin|${key}`,
  compile(view) {
    const { problems, report } = collectProblems()
    const compiled = findWasmPlugins(view, key).flatMap((plugin) => compileWasmPlugin(view, plugin, report) ?? [])
    return { resources: compiled.map(buildWasmPlugin), problems }
  },
})
