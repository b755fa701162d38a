/**
 * Sessions: who is logged in. It stands for the login that your app has already; Keelson has none.
 *
 * L1. The company of a request is the one of its session, never one that the request names.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

export interface User {
  readonly id: string
  readonly name: string
  /** The workspace whose people this user belongs to. */
  readonly company: string
  /** False: may look, and not decide. */
  readonly decides: boolean
  readonly password: string
}

export interface Sessions {
  /** Whose session the request carries. */
  userOf(request: Request): User | undefined
  /** The cookie of a new session, when name and password are right. */
  login(id: string, password: string, request: Request): string | undefined
  /** Ends the session, and returns the cookie that takes it from the browser. */
  logout(request: Request): string
}

const COOKIE = 'session'

export function sessionsOf(users: readonly User[]): Sessions {
  const open = new Map<string, User>()
  return {
    userOf: (request) => open.get(tokenOf(request)),
    login(id, password, request) {
      const user = users.find((one) => one.id === id)
      if (user === undefined || !isSame(password, user.password)) return undefined
      const token = randomBytes(32).toString('base64url')
      open.set(token, user)
      return cookie(token, request)
    },
    logout(request) {
      open.delete(tokenOf(request))
      return `${cookie('', request)}; Max-Age=0`
    },
  }
}

// #region same-origin
/**
 * True for what one of our own pages sent. A page from elsewhere can make a browser send a form here, cookie and all (from a
 * sibling domain or another port even a strict one): the browser then says so, and no page can make it say otherwise.
 */
export function isFromHere({ headers }: Request): boolean {
  const site = headers.get('sec-fetch-site')
  if (site !== null) return site === 'same-origin'
  const origin = headers.get('origin')
  return origin !== null && URL.canParse(origin) && new URL(origin).host === headers.get('host')
}
// #endregion

function tokenOf(request: Request): string {
  const pairs = (request.headers.get('cookie') ?? '').split(/; */)
  return pairs.find((pair) => pair.startsWith(`${COOKIE}=`))?.slice(COOKIE.length + 1) ?? ''
}

function cookie(token: string, request: Request): string {
  const secure = new URL(request.url).protocol === 'https:' ? '; Secure' : ''
  return `${COOKIE}=${token}; Path=/; HttpOnly; SameSite=Strict${secure}`
}

function isSame(one: string, other: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(one), digest(other))
}
