import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalClientFn, UniversalClientRequest, UniversalClientResponse } from "@connectrpc/connect/protocol";
import { headerGrpcStatus } from "@connectrpc/connect/protocol-grpc";

/**
 * An HTTP client that says `UNAVAILABLE` wherever an answer was lost on its way, so that callers see that another try may
 * help and that the outcome of this one is unknown.
 *
 * Without it such calls end in many ways: as cancelled by nobody, as aborted, as an internal error, as an invalid argument
 * where a message was cut short, and not at all where the server ended a stream before its answer.
 *
 * @param isOwn whether an error says already what it should.
 */
export function withLostAnswers(client: UniversalClientFn, isOwn: (error: ConnectError) => boolean): UniversalClientFn {
  return async (request) => {
    const translate = translator(request, isOwn);
    try {
      const response = await client({ ...request, ...watched(request, translate) });
      return { ...response, body: wholeBody(response, translate) };
    } catch (error) {
      throw translate.answer(error);
    }
  };
}

interface Translator {
  /** An error of the answer. */
  answer(error: unknown): unknown;
  /** An error of the request: it is the caller's, and stays what it is. */
  request(error: unknown): unknown;
}

/** Codes by which Connect tells that a stream ended, although the server itself said nothing. */
const LOST: readonly Code[] = [Code.Canceled, Code.Aborted, Code.Internal, Code.Unknown];

function translator({ signal }: UniversalClientRequest, isOwn: (error: ConnectError) => boolean): Translator {
  let ofRequest: unknown;
  return {
    request: (error) => {
      ofRequest = error;
      return error;
    },
    answer: (error) => {
      if (!(error instanceof ConnectError) || error === ofRequest || isOwn(error)) return error;
      // The caller itself ended it.
      return signal?.aborted === true ? error : lostAnswer(error);
    },
  };
}

/** What an error of an answer ends its call with, unless the caller ended it. */
export function lostAnswer(error: ConnectError): ConnectError {
  if (!LOST.includes(error.code)) return error;
  return new ConnectError(error.rawMessage, Code.Unavailable, undefined, undefined, error.cause ?? error);
}

function watched({ body }: UniversalClientRequest, { request }: Translator): Pick<UniversalClientRequest, "body"> {
  return body === undefined ? {} : { body: translated(body, request) };
}

/** The body of an answer, of which its end is a part: without the status that comes with that it was cut short. */
function wholeBody(
  { body, header, trailer }: UniversalClientResponse,
  { answer }: Translator,
): AsyncIterable<Uint8Array> {
  return translated(body, answer, () => {
    if (header.has(headerGrpcStatus) || trailer.has(headerGrpcStatus)) return;
    throw new ConnectError("the answer ended before its status", Code.Unavailable);
  });
}

/** The same bytes. Errors are translated, and the end is checked. */
function translated(
  bytes: AsyncIterable<Uint8Array>,
  translate: (error: unknown) => unknown,
  onEnd: () => void = () => undefined,
): AsyncIterable<Uint8Array> {
  return {
    [Symbol.asyncIterator]: () => {
      const inner = bytes[Symbol.asyncIterator]();
      const next = async () => {
        const result = await inner.next().catch((error: unknown) => {
          throw translate(error);
        });
        if (result.done === true) onEnd();
        return result;
      };
      // By throwing into it, whoever reads tells that it reads no more.
      if (inner.throw === undefined) return { next };
      const end = inner.throw.bind(inner);
      return { next, throw: (error: unknown) => end(error) };
    },
  };
}
