// What axe finds in a page.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** The violations, in lines. */
export async function violations(page) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  const where = ({ target, failureSummary }) => `${target} (${failureSummary})`;
  return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(where).join('; ')}`);
}
