/** Thrown when the program contradicts itself. Never a consequence of what a caller sent. */
export class InvariantError extends Error {
  override readonly name = "InvariantError";
}

/** Always on: a bank that has lost an invariant must stop, not go on. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}
