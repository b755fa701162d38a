/**
 * World: the outside of a soak: a small server in the driver's process, which is never killed, and what was done to it.
 *
 * O1. It honours keys where it says so (charge, publish, unpublish) and nowhere else: a second dispatch is a second parcel.
 * O2. Now and then it does what it was asked and the answer is lost, or it hangs up before it did anything.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { seeded } from '@keelson/core/ports'

export type Verb = 'charge' | 'dispatch' | 'publish' | 'unpublish' | 'look'

export interface Ask {
  readonly verb: Verb
  /** The business object. */
  readonly order: number
  /** The key of the effect. */
  readonly key: string
}

export interface Done extends Ask {
  readonly ref: string
}

export interface World {
  readonly url: string
  /** Everything that happened, in order. */
  readonly effects: readonly Done[]
  readonly counts: { calls: number; repeated: number; lost: number; unheard: number; found: number }
  close(): Promise<void>
}

/** Of a hundred calls: answers that are lost, and calls that are not even heard. */
const LOST = 8
const UNHEARD = 4
const SLOW_MS = 40

export async function openWorld(seed: string): Promise<World> {
  const random = seeded(`${seed} world`)
  const effects: Done[] = []
  const counts = { calls: 0, repeated: 0, lost: 0, unheard: 0, found: 0 }
  const server = createServer((request, response) => void serve(request, response))

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const ask = JSON.parse(await bodyOf(request)) as Ask
    counts.calls++
    const chance = random() * 100
    const [before, after] = [random() * SLOW_MS, random() * SLOW_MS]
    if (chance < UNHEARD) {
      counts.unheard++
      return void request.socket.destroy()
    }
    await pause(before)
    const answer = perform(ask, effects, counts)
    await pause(after)
    if (chance < UNHEARD + LOST) {
      counts.lost++
      return void request.socket.destroy()
    }
    response.end(JSON.stringify(answer))
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, effects, counts, close: () => closed(server) }
}

/** What was done, or had been done under this key; null: there is nothing of the kind. */
function perform(ask: Ask, effects: Done[], counts: World['counts']): { ref: string } | null {
  if (ask.verb === 'look') {
    const found = effects.find((done) => done.verb === 'dispatch' && done.key === ask.key)
    if (found !== undefined) counts.found++
    return found === undefined ? null : { ref: found.ref }
  }
  const before = effects.find((done) => done.verb === ask.verb && done.key === ask.key)
  if (before !== undefined && ask.verb !== 'dispatch') {
    counts.repeated++
    return { ref: before.ref }
  }
  const ref = `${ask.verb}-${ask.order}-${effects.length}`
  effects.push({ ...ask, ref })
  return { ref }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  return Buffer.concat(parts).toString('utf8')
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

async function closed(server: Server): Promise<void> {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
}
