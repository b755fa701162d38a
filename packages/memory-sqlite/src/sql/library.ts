/** Library: what is used of Kysely. The build takes this in, and nothing else of it: an import of all its files is slow. */
export { Kysely, SqliteDialect, sql } from 'kysely'
