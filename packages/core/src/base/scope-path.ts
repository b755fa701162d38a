/** Scope path: how the place of a memory in a company is written: up to eight names joined by "/". */

const PATH = /^[\p{L}\p{N}][\p{L}\p{N}_.@:-]*(\/[\p{L}\p{N}][\p{L}\p{N}_.@:-]*){0,7}$/u

export function isScopePath(path: unknown): path is string {
  return typeof path === 'string' && path.length <= 200 && PATH.test(path)
}
