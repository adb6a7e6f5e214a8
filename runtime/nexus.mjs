#!/usr/bin/env node
/** The command of an operator, from the sources (by tsx) as well as compiled. */
import { existsSync } from 'node:fs'

const compiled = new URL('./nexus.js', import.meta.url)
if (existsSync(compiled)) await import(compiled.href)
else {
  const { register } = await import('tsx/esm/api')
  register()
  await import('./nexus.ts')
}
