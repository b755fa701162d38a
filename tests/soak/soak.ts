/**
 * Soak: two conductors on one SQLite file, killed at random moments again and again, a client that goes on, a world that
 * remembers; and a judge at the end.
 *
 * The seed sets who is killed when; what a kill hits is up to the machine. A failure names its seed all the same.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { createConductor } from '@keelson/core'
import { seeded } from '@keelson/core/ports'
import { sqlite } from '@keelson/memory-sqlite'
import { Client } from './client.ts'
import { Fleet } from './fleet.ts'
import { judgeEffects, judgeLeases, judgeResults } from './judge.ts'
import { playbooksOn } from './playbooks.ts'
import type { Line } from './worker.ts'
import { openWorld } from './world.ts'

export interface SoakOptions {
  readonly folder: string
  readonly kills: number
  readonly seed: string
  /** Default: five minutes. */
  readonly stuckMs?: number
  readonly onProgress?: (line: string) => void
}

export interface SoakReport {
  readonly seed: string
  readonly kills: number
  /** Kills of both workers at once, and of workers that were not open yet. */
  readonly both: number
  readonly early: number
  readonly orders: number
  readonly acknowledged: { starts: number; sends: number; decisions: number; reverts: number }
  readonly effects: number
  /** What the world saw: calls under a key that had been used, answers that were lost, look-ups that found something. */
  readonly world: { calls: number; repeated: number; lost: number; unheard: number; found: number }
  readonly claims: number
  readonly takeovers: number
  readonly storeFailures: number
  /** Runs that chance killed so often, alone, that they were set aside; a person let them go on. */
  readonly quarantined: number
  /** Effects of which a person was asked whether they had happened. */
  readonly unknown: number
  readonly entries: number
  /** What does not hold; empty when all does. */
  readonly faults: readonly string[]
}

/** When no worker has recorded anything for so long, the soak is given up: what is open then is a fault. */
const STUCK_MS = 300_000
/** The same when no order has ended while so many workers were killed: time says little on a machine that is starved. */
const CIRCLING_KILLS = 300
const LOOK_MS = 5000

export async function soak({ folder, kills, seed, stuckMs = STUCK_MS, onProgress }: SoakOptions): Promise<SoakReport> {
  const file = join(folder, 'soak.db')
  const log = join(folder, 'soak.log')
  const random = seeded(seed)
  const world = await openWorld(seed)
  const client = await Client.open(sqlite(file), world, seeded(`${seed} client`))
  const progress = (): void =>
    onProgress?.(`${fleet.kills}/${kills} kills, ${client.results.size} orders, ${world.effects.length} effects`)
  const fleet = new Fleet({ file, url: world.url, log, random, kills, onKill: progress })
  const served = client.serve()
  const stuck = await withoutStanding(client, fleet, stuckMs, async () => {
    await fleet.rampage()
    client.finish()
    await served
    await fleet.stop()
  })
  fleet.end()
  if (stuck.length === 0) await client.close()
  const lines = linesOf(log)
  const leases = judgeLeases(lines, fleet.killed)
  const stored = stuck.length > 0 ? { entries: 0, faults: stuck } : await judgeStore(file, world.url)
  await world.close()
  const { acknowledged, results } = client
  return {
    seed,
    kills: fleet.kills,
    both: fleet.both,
    early: fleet.early,
    orders: results.size,
    acknowledged: {
      starts: acknowledged.starts.size,
      sends: acknowledged.sends.size,
      decisions: acknowledged.closed.size + acknowledged.pages.size,
      reverts: acknowledged.reverts.size,
    },
    effects: world.effects.length,
    world: world.counts,
    claims: leases.claims,
    takeovers: leases.takeovers,
    storeFailures: lines.filter(({ what }) => what === 'failed').length,
    quarantined: client.quarantined,
    unknown: client.unknown,
    entries: stored.entries,
    faults: [
      ...client.refused,
      ...fleet.surprises,
      ...judgeResults(acknowledged, results),
      ...judgeEffects(acknowledged, results, world.effects),
      ...leases.faults,
      ...stored.faults,
    ],
  }
}

/** Does `work`, unless nothing moves for too long; then says of every open run what it waits for, and who died over it. */
async function withoutStanding(
  client: Client,
  fleet: Fleet,
  stuckMs: number,
  work: () => Promise<void>,
): Promise<string[]> {
  const stuck = Promise.withResolvers<string[]>()
  const last = { records: -1, at: Date.now(), orders: -1, kills: 0 }
  const look = setInterval(() => {
    if (fleet.records !== last.records) Object.assign(last, { records: fleet.records, at: Date.now() })
    if (client.results.size !== last.orders) Object.assign(last, { orders: client.results.size, kills: fleet.kills })
    const what =
      Date.now() - last.at > stuckMs
        ? `nothing was recorded for ${stuckMs / 1000} seconds`
        : fleet.kills - last.kills > CIRCLING_KILLS
          ? `${CIRCLING_KILLS} workers recorded something, and no order ended`
          : undefined
    if (what !== undefined) void client.waiting().then((all) => stuck.resolve([what, ...all]), stuck.reject)
  }, LOOK_MS)
  try {
    return await Promise.race([work().then(() => []), stuck.promise])
  } finally {
    clearInterval(look)
  }
}

function linesOf(log: string): Line[] {
  if (!existsSync(log)) return []
  const texts = readFileSync(log, 'utf8').split('\n')
  return texts.filter((text) => text !== '').map((text) => JSON.parse(text) as Line)
}

async function judgeStore(file: string, url: string): Promise<{ entries: number; faults: string[] }> {
  const faults: string[] = []
  const raw = new Database(file)
  const sound = raw.pragma('integrity_check', { simple: true })
  if (sound !== 'ok') faults.push(`integrity_check: ${String(sound)}`)
  raw.close()
  const { playbooks, rules } = playbooksOn(url)
  const log = { info() {}, warn() {}, error() {} }
  const judge = await createConductor({ store: sqlite(file), playbooks, policy: rules, work: false, log })
  const verified = await judge.audit.verify()
  faults.push(...verified.faults)
  const { runs } = await judge.runs.list({ state: 'open', limit: 500 })
  for (const run of runs) faults.push(`run ${run.id} is still open: ${await judge.why(run.id)}`)
  await judge.stop()
  return { entries: verified.entries, faults }
}
