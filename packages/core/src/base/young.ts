/**
 * Young: what each run or step makes anew must not reach V8's old generation, where it and all that it refers to stay until the next
 * full collection, long after the run has ended: it is copied there at each small collection, a good part of what a step costs.
 *
 * V8 (13) allocates there, or comes to: a function literal that is assigned to a property; a getter; an object or array literal of which
 * most outlived a small collection, as they do where a hundred runs move in step; and the tables of a Map or Set that has lived for
 * long, a new one at each growth, each removal of the last of it and each `clear` (see roster.ts). So what lives for a turn or longer is
 * made by a class, by `list`, or as a literal that begins with a spread, and functions are assigned by the name of a constant.
 */
export const young = {}

/** An array: what a function is called with has no statistics either, and costs less than `Array.of`. */
export function list<T>(...items: T[]): T[] {
  return items
}
