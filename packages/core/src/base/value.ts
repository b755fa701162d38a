/** Value: the types of what is stored. */

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }

/** A type as it may be stored: what JSON would change silently is turned into a readable type error. */
export type Stored<T> = T extends Date | Map<any, any> | Set<any> | ((...args: any) => any) | bigint | symbol
  ? { error: 'not storable: return JSON (a Date as ISO text)' }
  : T extends object
    ? { [K in keyof T]: Stored<T[K]> }
    : T
