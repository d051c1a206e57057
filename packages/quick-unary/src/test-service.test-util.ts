import {
  create,
  createFileRegistry,
  type DescMethodUnary,
  type DescService,
  type MessageShape,
} from "@bufbuild/protobuf";
import {
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  file_google_protobuf_wrappers,
  StringValueSchema,
} from "@bufbuild/protobuf/wkt";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  createContextKey,
  encodeBinaryHeader,
  type HandlerContext,
  type Interceptor,
} from "@connectrpc/connect";

type Text = MessageShape<typeof StringValueSchema>;

const TEXT = ".google.protobuf.StringValue";

/** Methods that take a text and give a text; what they do is what the text says. */
const service: DescService = (() => {
  const file = create(FileDescriptorProtoSchema, {
    name: "test.proto",
    package: "test.v1",
    syntax: "proto3",
    dependency: ["google/protobuf/wrappers.proto"],
    service: [
      {
        name: "TestService",
        method: [
          { name: "Do", inputType: TEXT, outputType: TEXT },
          { name: "Look", inputType: TEXT, outputType: TEXT, options: { idempotencyLevel: 1 } },
          { name: "Watch", inputType: TEXT, outputType: TEXT, serverStreaming: true },
          { name: "Lacking", inputType: TEXT, outputType: TEXT },
        ],
      },
    ],
  });
  const wrappers = create(FileDescriptorSetSchema, { file: [file_google_protobuf_wrappers.proto, file] });
  const found = createFileRegistry(wrappers).getService("test.v1.TestService");
  if (found === undefined) throw new Error("the service is there");
  return found;
})();

export const testService = service;
export const doMethod = service.method["do"] as DescMethodUnary<typeof StringValueSchema, typeof StringValueSchema>;

export const PATH = "/test.v1.TestService/Do";
export const LOOK_PATH = "/test.v1.TestService/Look";
export const WATCH_PATH = "/test.v1.TestService/Watch";
export const LACKING_PATH = "/test.v1.TestService/Lacking";
/** Fits no test's message but those that are to be refused. */
export const READ_BYTES_MAX = 2_000_000;
export const TIMEOUT_MAX_MS = 60_000;

/** What interceptors hand on to the handler. */
const handedOn = createContextKey("nothing");

/** What happened in a handler besides its answer. */
export interface Happenings {
  entered: number;
  /** Streams that are open now. */
  streams: number;
  /** Messages that were asked for of endless streams. */
  yielded: number;
  /** Why signals aborted while their handlers waited. */
  readonly aborted: { readonly code: unknown; readonly message: string }[];
}

function text(value: string): Text {
  return create(StringValueSchema, { value });
}

/** By the text before the first colon; each is given what is behind it. */
function doings(happenings: Happenings): Record<string, (argument: string, context: HandlerContext) => unknown> {
  return {
    echo: (argument) => text(argument),
    later: (argument) => new Promise((resolve) => setImmediate(() => resolve(text(argument)))),
    // Not a message, but what one can be made of.
    bare: (argument) => ({ value: argument }),
    empty: () => ({}),
    long: (argument) => text("x".repeat(Number(argument))),
    broken: () => ({ $typeName: StringValueSchema.typeName, value: 5 }),
    fail: (argument) => {
      throw failure(Number(argument) || 0);
    },
    passOn: (argument) => {
      throw Object.assign(failure(Number(argument) || 0), { isWireError: true });
    },
    error: () => {
      throw new Error("nobody's business");
    },
    unspeakable: () => {
      throw failure(Number.NaN);
    },
    nothing: () => Promise.reject(undefined),
    word: () => Promise.reject("a word"),
    header: (argument, { responseHeader, responseTrailer }) => {
      responseHeader.set("x-said", argument);
      responseHeader.append("X-Twice", "1");
      responseHeader.append("x-twice", "2, 3");
      responseHeader.append("set-cookie", "a=1");
      responseHeader.append("set-cookie", "b=2");
      responseHeader.set("x-bytes-bin", encodeBinaryHeader(Uint8Array.of(0, 1, 254, 255)));
      responseHeader.set("connection", "close");
      responseTrailer.set("x-last", argument);
      responseTrailer.append("x-last", "again");
      responseTrailer.set("x-end-bin", encodeBinaryHeader("end"));
      return text("with headers");
    },
    headerAndFail: (_argument, { responseHeader, responseTrailer }) => {
      responseHeader.set("x-said", "before it failed");
      responseTrailer.set("x-meta", "from the handler");
      throw failure(Code.Aborted);
    },
    type: (_argument, { responseHeader }) => {
      responseHeader.set("content-type", "text/plain");
      responseHeader.delete("x-nothing");
      return text("of another type");
    },
    ask: (argument, { requestHeader }) =>
      text(
        JSON.stringify({
          value: requestHeader.get(argument),
          has: requestHeader.has(argument),
          upper: requestHeader.get(argument.toUpperCase()),
        }),
      ),
    headers: (_argument, { requestHeader }) =>
      text(
        JSON.stringify({
          all: [...requestHeader],
          again: [...new Headers(requestHeader).keys()],
          is: requestHeader instanceof Headers,
        }),
      ),
    wrongName: (_argument, { requestHeader }) => {
      try {
        return text(String(requestHeader.get("no name")));
      } catch (error) {
        return text((error as Error).name);
      }
    },
    change: (_argument, { requestHeader }) => {
      requestHeader.set("x-mine", "changed");
      requestHeader.delete("user-agent");
      return text(JSON.stringify([requestHeader.get("x-mine"), requestHeader.has("user-agent")]));
    },
    context: (_argument, context) =>
      text(
        JSON.stringify({
          url: context.url.replace(/:[0-9]+/, ":PORT"),
          method: context.requestMethod,
          protocol: context.protocolName,
          service: context.service.typeName,
          rpc: context.method.name,
          hasTimeout: context.timeoutMs() !== undefined,
          isWhole: Number.isInteger(context.timeoutMs() ?? 0),
          aborted: context.signal.aborted,
          handedOn: context.values.get(handedOn),
          spread: { ...context }.signal === context.signal,
        }),
      ),
    wait: (_argument, { signal }) => {
      happenings.entered++;
      return new Promise((_resolve, reject) => {
        const onAbort = () => {
          const { reason } = signal;
          happenings.aborted.push({ code: reason?.code, message: reason?.message });
          reject(reason);
        };
        if (signal.aborted) onAbort();
        else signal.addEventListener("abort", onAbort);
      });
    },
  };
}

function failure(code: number): ConnectError {
  return new ConnectError(
    `it failed: 100 % of "ünïcode" \u{1f3e6}\nand lines`,
    code,
    { "x-meta": "one", "x-meta-bin": encodeBinaryHeader("bytes"), "content-type": "text/evil", "grpc-status": "3" },
    [
      { desc: StringValueSchema, value: { value: "a detail" } },
      { type: "test.v1.Unknown", value: Uint8Array.of(1, 2, 3) } as never,
    ],
  );
}

export function testRoutes(happenings: Happenings): (router: ConnectRouter) => void {
  const all = doings(happenings);
  const handle = ({ value }: Text, context: HandlerContext) => {
    const [name = "", argument = ""] = value.split(/:(.*)/s);
    const doing = all[name];
    if (doing === undefined) throw new Error(`there is no ${name}`);
    return doing(argument, context) as Text;
  };
  return (router) => {
    router.service(service, {
      do: handle,
      look: handle,
      watch: ({ value }: Text, context: HandlerContext) => watch(value, context, happenings),
    } as object);
  };
}

function unreadable(): never {
  throw new Error("nobody can write this");
}

/** What a stream does: words of a name and a number, one after the other; anything else is a message. */
async function* watch(script: string, context: HandlerContext, happenings: Happenings): AsyncGenerator<Text> {
  happenings.streams++;
  try {
    for (const word of script.split(" ")) {
      const [name = "", argument = ""] = word.split(":");
      switch (name) {
        case "count":
          for (let i = 0; i < Number(argument); i++) yield text(String(i));
          break;
        case "long":
          yield text("x".repeat(Number(argument)));
          break;
        case "endless":
          for (;;) {
            happenings.yielded++;
            yield text("x".repeat(Number(argument)));
          }
        case "later":
          await new Promise((resolve) => setImmediate(resolve));
          break;
        case "fail":
          throw failure(Number(argument));
        case "error":
          throw new Error("nobody's business");
        case "broken":
          yield Object.defineProperty(text(""), "value", { get: unreadable });
          break;
        case "bare":
          yield { value: argument } as Text;
          break;
        case "header":
          context.responseHeader.set("x-said", argument);
          context.responseTrailer.set("x-last", argument);
          break;
        case "wait":
          await new Promise((_resolve, reject) => {
            const onAbort = () => {
              const { reason } = context.signal;
              happenings.aborted.push({ code: reason?.code, message: reason?.message });
              reject(reason);
            };
            if (context.signal.aborted) onAbort();
            else context.signal.addEventListener("abort", onAbort);
          });
          break;
        default:
          yield text(word);
      }
    }
  } finally {
    happenings.streams--;
  }
}

/** Does what the header `x-intercept` says. */
export const testInterceptor: Interceptor = (next) => async (request) => {
  if (request.stream) {
    switch (request.header.get("x-intercept")) {
      case "refuse":
        throw new ConnectError("refused before", Code.PermissionDenied, { "x-meta": "from an interceptor" });
      case "answer": {
        const response = await next(request);
        response.header.set("x-added", "to the header");
        response.trailer.set("x-added", "to the trailer");
        return response;
      }
      default:
        return next(request);
    }
  }
  switch (request.header.get("x-intercept")) {
    case "message":
      return next({ ...request, message: text("echo:another message") });
    case "headers":
      return next({ ...request, header: new Headers({ "x-other": "only this" }) });
    case "values":
      request.contextValues.set(handedOn, "something");
      return next(request);
    case "signal":
      return next({ ...request, signal: AbortSignal.abort(new ConnectError("not any more", Code.Unavailable)) });
    case "refuse":
      throw new ConnectError("refused before", Code.PermissionDenied, { "x-meta": "from an interceptor" });
    case "fail":
      await next(request);
      throw new ConnectError("refused behind", Code.OutOfRange);
    case "answer": {
      const response = await next(request);
      response.header.set("x-added", "to the header");
      response.trailer.set("x-added", "to the trailer");
      return response;
    }
    case "replace": {
      const response = await next(request);
      if (response.stream) return response;
      const header = new Headers({ "content-type": "application/x-replaced", "x-new": "header" });
      return { ...response, header, trailer: new Headers({ "x-new": "trailer" }), message: text("replaced") };
    }
    default:
      return next(request);
  }
};
