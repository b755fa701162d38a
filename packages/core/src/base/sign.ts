/** Sign: Ed25519 signatures over text, by a key that stays with whoever made the signer. */
import { createHash, createPrivateKey, createPublicKey, sign, verify, type KeyObject } from 'node:crypto'
import { KeelsonError } from './errors.ts'

/** Signs bytes with Ed25519. Only what it returns is ever stored; the key stays behind it (a file, a vault, an HSM). */
export interface Signer {
  /** Names the public key to whoever verifies. */
  readonly keyId: string
  sign(bytes: Uint8Array): Uint8Array | Promise<Uint8Array>
}

/**
 * A signer from a private Ed25519 key in PEM (PKCS #8). Its id is made of the public key, as `keyIdOf` makes it.
 * Throws `DEFINITION_INVALID`.
 */
export function signerFromPem(pem: string): Signer {
  const key = read(() => createPrivateKey(pem), 'private')
  const keyId = idOf(createPublicKey(key))
  return Object.freeze({ keyId, sign: (bytes: Uint8Array) => new Uint8Array(sign(null, bytes, key)) })
}

/** The id of a public Ed25519 key in PEM: the first 22 characters of the hash of its SPKI form. */
export function keyIdOf(publicPem: string): string {
  return idOf(publicKey(publicPem))
}

/** True when `signature` (base64url) over `text` was made with the key. */
export function isSigned(publicPem: string, text: string, signature: string): boolean {
  return verify(null, new TextEncoder().encode(text), publicKey(publicPem), Buffer.from(signature, 'base64url'))
}

function publicKey(pem: string): KeyObject {
  if (typeof pem === 'string' && pem.includes('PRIVATE KEY')) {
    throw new KeelsonError('INPUT_INVALID', 'verifying takes the public key, and this is a private one', {
      hint: 'Give the PEM that begins with -----BEGIN PUBLIC KEY-----.',
    })
  }
  return read(() => createPublicKey(pem), 'public')
}

function read(make: () => KeyObject, what: 'private' | 'public'): KeyObject {
  let key: KeyObject | undefined
  try {
    key = make()
  } catch {
    // said below, without what the text was
  }
  if (key?.asymmetricKeyType === 'ed25519') return key
  throw new KeelsonError('DEFINITION_INVALID', `this is not a ${what} Ed25519 key in PEM`, {
    hint: 'openssl genpkey -algorithm ed25519 -out key.pem; openssl pkey -in key.pem -pubout -out public.pem',
  })
}

function idOf(key: KeyObject): string {
  return createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('base64url')
    .slice(0, 22)
}
