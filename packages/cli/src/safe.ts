/** Safe: text of others as it may be written to a terminal. */
import { stripVTControlCharacters } from 'node:util'

/** Text of a run may hold control characters: none of them reaches the terminal. */
export function safe(text: string): string {
  // eslint-disable-next-line no-control-regex -- these are what it takes out
  return stripVTControlCharacters(text).replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '')
}
