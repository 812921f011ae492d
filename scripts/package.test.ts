import { accessSync, constants, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import manifest from '../package.json' with { type: 'json' }

const root = join(import.meta.dirname, '..')

describe('package.json', () => {
  it.each(Object.values(manifest.bin))('names a command that can be run: %s', (path) => {
    accessSync(join(root, path), constants.X_OK)
    expect(readFileSync(join(root, path), 'utf8').split('\n')[0]).toBe('#!/usr/bin/env node')
  })

  it('has the dependencies that docs/dependencies.md explains', () => {
    const documented = readFileSync(join(root, 'docs/dependencies.md'), 'utf8').matchAll(/^\| `([^`]+)` \|/gm)
    expect([...documented].map(([, name]) => name)).toEqual([
      ...Object.keys(manifest.dependencies),
      ...Object.keys(manifest.devDependencies),
    ])
  })
})
