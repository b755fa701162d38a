/** Library: what is used of Kysely, its migrator aside. The build takes in this alone: an import of all its files is slow. */
export { Kysely, SqliteDialect, sql } from 'kysely'
