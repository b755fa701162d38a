/** Put: the new state of one record, as it travels in the entry that changes it. */
import type { Json } from '../base/value.ts'

/** `data: null` ends the record. `version` is 1 for a new one and grows by 1. */
export interface Put {
  readonly kind: string
  readonly id: string
  readonly version: number
  readonly data: Json
  /** Look-ups under which it is found: field → value. */
  readonly index?: { readonly [field: string]: string }
  /** Order within a look-up. Default 0. 'position': in the order of commits, as far as the store can tell. */
  readonly sort?: number | 'position'
}
