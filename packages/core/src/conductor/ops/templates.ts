/** Templates and taxonomy in a run: which version was read is journaled, as of any entity. */
import { canonical } from '../../base/json.ts'
import { sha256 } from '../../base/hash.ts'
import type { Json } from '../../base/value.ts'
import type { Artifacts } from '../../memory/artifact.ts'
import { taxonomyOf } from '../../memory/terms.ts'
import type { Taxonomy } from '../../base/taxonomy.ts'
import { fill, type Templates, type TemplateText } from '../../memory/template.ts'
import type { Pass } from '../pass.ts'
import { shelfOf } from '../shelf.ts'
import { templateAt, type TemplateEntity } from '../library.ts'
import { readOp } from './entities.ts'
import type { Perform } from './place.ts'

const KIND = { name: 'template' }

export function templates(pass: Pass, perform: Perform, artifacts: Artifacts): Templates {
  const shelf = shelfOf(pass.task.env, pass.task.claimed.row.workspace)
  const get = async (name: string, options: { version?: number } = {}): Promise<TemplateText> => {
    const what: Json[] = ['get', name, options.version ?? null]
    const found = await perform(`template.get:${sha256(canonical(what)).slice(0, 8)}`, (key) =>
      readOp<TemplateEntity>(
        pass,
        key,
        KIND,
        what,
        async (saw) => (await templateAt({ ...shelf, saw }, name, options.version)) as never,
      ),
    )
    const { id, version, data } = found
    return { id, version, name, artifact: data.artifact, text: await artifacts.text(data.artifact) }
  }
  return { get, fill: async (name, values, options) => fill(await get(name, options), values) }
}

export function taxonomy(pass: Pass, perform: Perform): Promise<Taxonomy> {
  const { env, claimed } = pass.task
  const look = async (): Promise<Json> =>
    (await taxonomyOf({ store: env.store, workspace: claimed.row.workspace })).value as unknown as Json
  return perform('taxonomy', (key) => readOp<Taxonomy>(pass, key, { name: 'taxonomy' }, ['get'], look))
}
