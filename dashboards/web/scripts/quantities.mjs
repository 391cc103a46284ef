// Writes src/generated/quantities.ts from the catalogue in proto/quantities.csv,
// so that the page names every quantity as the services do. A test compares the two.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const source = new URL('../../../proto/quantities.csv', import.meta.url);
const target = new URL('../src/generated/quantities.ts', import.meta.url);

export function render(csv) {
  const [head, ...rows] = csv.trim().split(/\r?\n/).map((line) => line.split(','));
  const column = Object.fromEntries(head.map((name, at) => [name, at]));
  const entries = rows.map((row) => {
    const of = (name) => JSON.stringify(row[column[name]]);
    return `  [${['quantity', 'kind', 'title_id', 'title_en', 'ucum'].map(of).join(', ')}],`;
  });
  return `// Written by scripts/quantities.mjs from proto/quantities.csv. Do not edit.

/** Name, kind, title in Indonesian, title in English, unit (UCUM). */
export type CatalogueRow = readonly [string, 'gauge' | 'amount' | 'angle' | 'counter' | 'state', string, string, string];

export const catalogue: readonly CatalogueRow[] = [
${entries.join('\n')}
];
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(target, render(readFileSync(source, 'utf8')));
}
