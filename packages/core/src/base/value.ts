/** Value: the types of what is stored. */

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }

/**
 * What code may return where `T` is wanted: the same, of which nothing has to be writable. A `const` type parameter keeps literals then.
 * What takes all of JSON takes it as it is: its type has no end.
 */
export type Returned<T> = string | number | boolean | null extends T
  ? T | Json
  : T extends string | number | boolean | null | undefined | ((...args: never) => unknown)
    ? T
    : T extends object
      ? { readonly [K in keyof T]: Returned<T[K]> }
      : T

/** A type as it may be stored: what JSON would change silently is turned into a readable type error. */
export type Stored<T> = T extends Date | Map<any, any> | Set<any> | ((...args: any) => any) | bigint | symbol
  ? { error: 'not storable: return JSON (a Date as ISO text)' }
  : T extends object
    ? { [K in keyof T]: Stored<T[K]> }
    : T
