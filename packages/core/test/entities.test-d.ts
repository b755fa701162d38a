/** What editors infer of entities: fields, states, links. */
import { describe, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import { defineEntity, lifecycle, type Entity, type EntityStore } from '@keelson/core'

const schema = z.object({ title: z.string(), status: z.enum(['draft', 'live']), tags: z.array(z.string()) })
type Post = z.output<typeof schema>

const flow = lifecycle({ states: ['draft', 'live'], transitions: { publish: { from: 'draft', to: 'live' } } })
const Post = defineEntity({ name: 'post', version: 1, schema, index: ['status'], lifecycle: { status: flow } })

declare const posts: EntityStore<Post>
declare const store: <T>(type: { readonly name: string; readonly '~t'?: T }) => EntityStore<T>

describe('an entity type', () => {
  it('knows its data', () => {
    expectTypeOf(store(Post)).toEqualTypeOf<EntityStore<Post>>()
    expectTypeOf(posts.get).returns.resolves.toEqualTypeOf<Entity<Post>>()
    expectTypeOf(posts.list).returns.resolves.toHaveProperty('entities')
  })

  it('refuses fields and states that it does not have', () => {
    // @ts-expect-error not a field
    void posts.find({ titel: 'x' })
    // @ts-expect-error not a state
    void posts.update('id', { status: 'gone' })
    // @ts-expect-error not a field
    void posts.why('id', 'titel')
    // @ts-expect-error not a field
    void posts.merge('a', 'b', { take: ['titel'] })
    // @ts-expect-error not a field to index
    defineEntity({ name: 'post', version: 1, schema, index: ['titel'] })
    // @ts-expect-error not a taxonomy
    defineEntity({ name: 'post', version: 1, schema, taxonomy: { tags: 'colours' } })
    // @ts-expect-error no state of the lifecycle
    lifecycle({ states: ['a', 'b'], transitions: { go: { from: 'a', to: 'c' } } })
    const other = lifecycle({ states: ['on', 'off'], transitions: {} })
    // @ts-expect-error a lifecycle of other states
    defineEntity({ name: 'post', version: 1, schema, lifecycle: { status: other } })
  })
})
