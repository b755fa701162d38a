/** Missing: the package `ai`, which is optional: whoever needs it is told what to install. */
import { aiModels, defineAgent, embeddings } from '@keelson/core'
import { expect, it, vi } from 'vitest'
import { z } from 'zod'
import { code, open, store } from './support/open.ts'

vi.mock('ai', () => {
  throw new Error("Cannot find package 'ai'")
})

const writer = defineAgent({
  name: 'writer',
  version: 1,
  instructions: 'Write.',
  input: z.object({}),
  output: z.object({}),
  triesPerModel: 1,
})

it('is told of by an agent that is asked through it', async () => {
  const works = code((ctx) => ctx.delegate(writer, {}))
  const keelson = await open(store(), { playbooks: [works], models: aiModels({ modelId: 'any' }) })
  const run = await keelson.start(works, {}, { id: 'r' })
  await expect(run.result()).rejects.toMatchObject({
    code: 'MODEL_FAILED',
    message: expect.stringContaining('AI SDK could not be loaded') as string,
    hint: expect.stringContaining('npm install ai') as string,
  })
})

it('is told of by embeddings', async () => {
  await expect(embeddings({ modelId: 'any' }).embed(['a'])).rejects.toMatchObject({
    code: 'MODEL_FAILED',
    hint: expect.stringContaining('npm install ai') as string,
  })
})
