/** Artifacts, templates and the taxonomy of a company, as a person or the host keeps them. */
import { SYSTEM, type Actor } from '../base/actor.ts'
import { actorText } from '../base/actor.ts'
import { deepFreeze } from '../base/json.ts'
import type { Json } from '../base/value.ts'
import {
  artifactMissing,
  artifactOf,
  artifactPut,
  shaOf,
  type ArtifactOptions,
  type ArtifactRef,
} from '../memory/artifact.ts'
import type { Artifacts, Made } from '../memory/artifact.ts'
import { diffOf } from '../memory/diff.ts'
import { entityTypeOf, notFound } from '../memory/entity.ts'
import { labelsIn } from '../memory/entity-labels.ts'
import { foldedTo } from '../memory/entity-history.ts'
import { getEntity, headOf, type Shelf } from '../memory/entity-read.ts'
import { taxonomyOf } from '../memory/terms.ts'
import { keyedId } from '../memory/entity-write.ts'
import { taxonomyFrom, type Taxonomy, type TaxonomyName, type Term } from '../base/taxonomy.ts'
import { fill, Template, type Templates, type TemplateText } from '../memory/template.ts'
import { editor } from './editor.ts'
import type { Environment } from './environment.ts'
import { shelfOf } from './shelf.ts'

export interface ArtifactDesk extends Artifacts {
  put(content: string | Uint8Array | Made, options?: ArtifactOptions & { by?: Actor }): Promise<ArtifactRef>
}

export function artifactsOf(env: Environment, workspace: string): ArtifactDesk {
  const get = async (artifact: ArtifactRef | string): Promise<Uint8Array> => {
    const bytes = await env.store.getArtifact(workspace, shaOf(artifact))
    if (bytes === undefined) throw artifactMissing(shaOf(artifact))
    return bytes
  }
  return {
    async put(content, options = {}) {
      const { by = SYSTEM, ...rest } = options
      const { ref, bytes } = artifactOf(content, rest)
      await env.company(workspace).edit(async () => {
        const [known] = await env.store.records(workspace, { kind: 'artifact', ids: [ref.sha256], limit: 1 })
        // What is known of an erased file stays: its bytes are kept anew.
        if (known !== undefined && (await env.store.getArtifact(workspace, ref.sha256)) !== undefined) return undefined
        const puts = known === undefined ? [artifactPut(ref, env.clock.now(), { by: actorText(by) })] : []
        return { drafts: [{ kind: 'artifact.kept', data: { by, puts } }], unit: { artifacts: [bytes] } }
      })
      return ref
    },
    get,
    text: async (artifact) => new TextDecoder().decode(await get(artifact)),
    diff: async (before, after) => diffOf(await get(before), await get(after)),
  }
}

/** A template as its entity keeps it. */
export interface TemplateEntity {
  readonly id: string
  readonly version: number
  readonly data: { readonly name: string; readonly artifact: ArtifactRef }
}

const TEMPLATE_HINT =
  'A template is there once it was put: templates.put(name, text, { by }); each change of its text is a version.'

/** The template of a name, now or at a version. Throws `ENTITY_NOT_FOUND`. */
export async function templateAt(shelf: Shelf, name: string, version: number | undefined): Promise<TemplateEntity> {
  const type = entityTypeOf(Template)
  const sample = { name, artifact: { sha256: '0'.repeat(64), size: 0, type: '' } }
  const id = (await keyedId(shelf, type, sample))!
  if ((await headOf(shelf, type, id)) === undefined) throw notFound(type, name, TEMPLATE_HINT)
  if (version === undefined) return (await getEntity(shelf, type, id)) as unknown as TemplateEntity
  const state = await foldedTo(shelf, type, id, version)
  shelf.saw?.(labelsIn({ type: type.name, id, ...(state.labels === undefined ? {} : { labels: state.labels }) }))
  if (state.version !== version || version < 1) throw notFound(type, `${name} version ${version}`, TEMPLATE_HINT)
  return { type: type.name, id, version, data: state.data } as unknown as TemplateEntity
}

export interface TemplateDesk extends Templates {
  /** The text from now on. Answers its version; the same text again is no new one. */
  put(name: string, text: string, options: { by: Actor; note?: string }): Promise<TemplateText>
}

export function templatesOf(env: Environment, workspace: string): TemplateDesk {
  const shelf = shelfOf(env, workspace)
  const files = artifactsOf(env, workspace)
  const get: Templates['get'] = async (name, { version } = {}) => {
    const { id, version: at, data } = await templateAt(shelf, name, version)
    return { id, name, version: at, artifact: data.artifact, text: await files.text(data.artifact) }
  }
  return {
    get,
    fill: async (name, values, options) => fill(await get(name, options), values),
    async put(name, text, { by, note }) {
      const artifact = await files.put(text, { by, name })
      const desk = editor(env, workspace, Template, by)
      const found = await desk.find({ name })
      if (found?.data.artifact.sha256 !== artifact.sha256) {
        await desk.upsert({ name, artifact, ...(note === undefined ? {} : { note }) })
      }
      return get(name)
    },
  }
}

export interface TaxonomyDesk {
  get(): Promise<Taxonomy>
  /** Replaces the lists that are given. A term that is still carried should be retired, not left out. */
  set(given: { readonly [N in TaxonomyName]?: readonly (string | Term)[] }, options: { by: Actor }): Promise<Taxonomy>
}

export function taxonomyDeskOf(env: Environment, workspace: string): TaxonomyDesk {
  const rows = { store: env.store, workspace }
  return {
    get: async () => deepFreeze((await taxonomyOf(rows)).value),
    async set(given, { by }) {
      await env.company(workspace).edit(async () => {
        const { value, version } = await taxonomyOf(rows)
        const data = taxonomyFrom(value, given) as unknown as Json
        const puts = [{ kind: 'company', id: 'taxonomy', version: version + 1, data }]
        return { drafts: [{ kind: 'taxonomy.set', data: { by, puts } }] }
      })
      return deepFreeze((await taxonomyOf(rows)).value)
    },
  }
}
