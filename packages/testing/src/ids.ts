/** TestIds: chance from a seed, with ids that can be told apart from a playbook's own values. */
import { seeded, type Ids } from '@keelson/core/ports'

/** What a generated id looks like. */
export const GENERATED = /\bid-\d{6}\b/g

/**
 * Deterministic ids: 'id-000001', 'id-000002' …
 *
 * Salts are the same each time, so that two runs of one test have the same keys and hashes. For tests only: a salt that
 * can be guessed hides nothing.
 */
export function testIds(seed: string): Ids {
  const random = seeded(seed)
  let made = 0
  return {
    id: () => `id-${String(++made).padStart(6, '0')}`,
    random,
    salt: () => 'only-for-tests-no-salt',
  }
}
