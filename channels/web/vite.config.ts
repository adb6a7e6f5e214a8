/** Builds the page into files that any static server can hand out under a strict content security policy. */
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'

const here = fileURLToPath(new URL('.', import.meta.url))

export default defineConfig({
  root: here,
  base: './',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: `${here}dist`,
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0, // an inlined asset is a data: address, which the policy allows for pictures only
    modulePreload: { polyfill: false },
  },
})
