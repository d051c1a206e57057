import { Code, ConnectError } from "@connectrpc/connect";

/**
 * The one message of a call whose kind has one. Rejects where none comes, or another one behind it.
 * Source: connect 2.2, `invoke-implementation.ts`.
 *
 * @param kind what Connect calls the kind of the method.
 */
export async function onlyMessage<T>(messages: AsyncIterable<T>, kind: string): Promise<T> {
  const reader = messages[Symbol.asyncIterator]();
  const first = await reader.next();
  if (first.done === true)
    throw new ConnectError(`protocol error: missing input message for ${kind} method`, Code.Unimplemented);
  const second = await reader.next();
  if (second.done !== true)
    throw new ConnectError(`protocol error: received extra input message for ${kind} method`, Code.Unimplemented);
  return first.value;
}
