/** Body: the raw bytes of a delivery, as many as may be. */

/** A request as `fetch` has it, or what a server has read of one: its headers, and its body as it came. */
export type Delivery =
  | Request
  | {
      readonly headers: Headers | { readonly [name: string]: string | readonly string[] | undefined }
      /** As it came: what a framework has parsed cannot be verified any more. */
      readonly body: Uint8Array | string
    }

/** The bytes; undefined: there are more than `most`. */
export async function bodyOf(delivery: Delivery, most: number): Promise<Uint8Array | undefined> {
  const { body } = delivery
  if (typeof body === 'string') return body.length > most ? undefined : capped(Buffer.from(body, 'utf8'), most)
  if (body instanceof Uint8Array) return capped(body, most)
  if (!(delivery instanceof Request))
    throw new TypeError('the body of a delivery has to be the bytes or the text that came: mount it before any parser')
  if (body === null) return new Uint8Array()
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of body as ReadableStream<Uint8Array>) {
    length += part.byteLength
    if (length > most) return undefined // the rest is not read
    parts.push(part)
  }
  return Buffer.concat(parts)
}

/** A header; of one that came several times, undefined: nobody can say which was meant. */
export function headerOf({ headers }: Delivery, name: string): string | undefined {
  if (headers instanceof Headers) return headers.get(name) ?? undefined
  const found = Object.entries(headers).filter(([key]) => key.toLowerCase() === name)
  const [value, ...more] = found.flatMap(([, one]) => one ?? [])
  return more.length === 0 ? value : undefined
}

function capped(bytes: Uint8Array, most: number): Uint8Array | undefined {
  return bytes.byteLength > most ? undefined : bytes
}
