#!/usr/bin/env node
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'

// Halves the time to start. In the user's own folder, since what is in it gets run.
const { HOME = '', XDG_CACHE_HOME = HOME && join(HOME, '.cache') } = process.env
if (XDG_CACHE_HOME !== '') enableCompileCache(join(XDG_CACHE_HOME, 'atoll', 'code'))

await import('./process-cli.ts')
