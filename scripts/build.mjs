#!/usr/bin/env node
/**
 * Bundles what is published into dist/, or another folder: the two commands, the control plane's worker
 * with its database schema, and a package.json of their own. Generated code is bundled with them.
 *
 *     node scripts/build.mjs [FOLDER]
 */
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { workerBundle } from '../cli/plane/worker-bundle.ts'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const dist = resolve(root, process.argv[2] ?? 'dist')
/** Starts programs of its own (workerd), which a bundle cannot hold. */
const notBundled = ['miniflare']

rmSync(dist, { recursive: true, force: true })
await Promise.all([buildCommands(), buildWorker()])
writePackage()
for (const name of ['LICENSE', 'README.md', 'migrations'])
  cpSync(join(root, name), join(dist, name), { recursive: true })
cpSync(join(root, 'deploy/helm/atoll/crds'), join(dist, 'crds'), { recursive: true })

function buildCommands() {
  return build({
    absWorkingDir: root,
    entryPoints: { atoll: 'cli/main.ts', 'atoll-agent': 'agent/main.ts' },
    outdir: dist,
    bundle: true,
    // Keeps what is imported lazily out of the command's start.
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
    format: 'esm',
    platform: 'node',
    target: 'node24',
    external: notBundled,
    // CommonJS packages inside an ES module still call `require` for Node's own modules.
    banner: {
      js: "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);",
    },
    logLevel: 'warning',
  })
}

function buildWorker() {
  return build({ ...workerBundle, absWorkingDir: root, entryPoints: { worker: 'worker/main.ts' }, outdir: dist })
}

function writePackage() {
  const { name, version, description, license, dependencies } = JSON.parse(
    readFileSync(join(root, 'package.json'), 'utf8'),
  )
  const manifest = {
    name,
    version,
    description,
    license,
    type: 'module',
    engines: { node: '>=24' },
    bin: { atoll: './atoll.js', 'atoll-agent': './atoll-agent.js' },
    dependencies: Object.fromEntries(notBundled.map((dependency) => [dependency, dependencies[dependency]])),
  }
  writeFileSync(join(dist, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`)
}
