// Builds the pages into dist/, which is committed, so that running Pantau needs no Node.
// The same sources and lock file always give the same bytes: CI builds again and compares.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  base: '/',
  build: {
    target: 'es2022',
    assetsInlineLimit: 0, // the policy `default-src 'self'` has no room for data: URLs
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
    chunkSizeWarningLimit: 200,
  },
  server: {
    proxy: { '/api': process.env.PANTAU_URL ?? 'http://127.0.0.1:8080' },
  },
  test: { environment: 'node', include: ['src/**/*.test.ts'] },
});
