/** Progress: one line on the error stream that says what is being measured; nothing where nobody watches. */
const watched = process.stderr.isTTY === true

export function progress(text: string): void {
  if (watched) process.stderr.write(`\r\x1b[2K${text.slice(0, (process.stderr.columns ?? 100) - 1)}`)
  else process.stderr.write(`${text}\n`)
}

export function clearProgress(): void {
  if (watched) process.stderr.write('\r\x1b[2K')
}
