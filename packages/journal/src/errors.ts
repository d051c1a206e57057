/** What was read is not a journal of this format, or not the one it should be. */
export class JournalFormatError extends Error {
  override readonly name = "JournalFormatError";
}

/** A well-formed batch that does not continue the journal before it. */
export class JournalChainError extends Error {
  override readonly name = "JournalChainError";
}

/** The state after a batch is not the one that its header names: a bug, or bytes that changed. */
export class DigestMismatchError extends Error {
  override readonly name = "DigestMismatchError";
}
