/** SDK: the package `ai`, loaded at its first use: nobody needs it who has neither an agent nor embeddings. */
import { KeelsonError } from '../base/errors.ts'

/** Within a try, so that bundlers take it for what may be missing. Throws `MODEL_FAILED`. */
export async function loadSdk() {
  try {
    return await import('ai')
  } catch (cause) {
    throw new KeelsonError('MODEL_FAILED', `the AI SDK could not be loaded: ${String(cause)}`, {
      hint: 'Install it (npm install ai); where the app is bundled, leave it outside of the bundle, or build it in.',
      cause,
    })
  }
}
