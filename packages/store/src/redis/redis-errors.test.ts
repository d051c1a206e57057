import { expect, it } from "vitest";
import {
  AppendRefusedError,
  AppendUnknownError,
  CorruptStoreError,
  LeaseLostError,
  StoreError,
  StoreFullError,
} from "../errors.ts";
import { DisconnectedError, lacksLibrary, readFailure, ServerError, writeFailure } from "./redis-errors.ts";

// Each as the server says it.
it.each([
  ["OOM command not allowed when used memory > 'maxmemory'.", StoreFullError, /make room/],
  [
    "OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'",
    AppendRefusedError,
    /memory is full/,
  ],
  ["MISCONF Errors writing to the AOF file: No space left on device", AppendRefusedError, /cannot save/],
  ["NOREPLICAS Not enough good replicas to write.", AppendRefusedError, /min-replicas-to-write/],
  ["LOADING Redis is loading the dataset in memory", AppendRefusedError, /still loading/],
  [
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    AppendRefusedError,
    /busy/,
  ],
  ["MASTERDOWN Link with MASTER is down", AppendRefusedError, /lost its master/],
  ["CLUSTERDOWN Hash slot not served", AppendRefusedError, /cluster is down/],
  ["MOVED 3999 127.0.0.1:6381", AppendRefusedError, /another node has these keys/],
  ["NOPERM this user has no permissions to run the 'fcall' command", AppendRefusedError, /may not do this/],
  ["NOAUTH Authentication required.", AppendRefusedError, /wants a user/],
  ["NOSCRIPT No matching script. Please use EVAL.", AppendRefusedError, /forgotten/],
  ["ERR Function not found", AppendRefusedError, /Function not found/],
  ["READONLY You can't write against a read only replica.", LeaseLostError, /replica now/],
  ["WRONGTYPE Operation against a key holding the wrong kind of value", CorruptStoreError, /another type/],
  // It may have been in the middle.
  [
    "ERR user_function:12: Script attempted something script: bank_append, on @user_function:12.",
    AppendUnknownError,
    /cannot tell/,
  ],
  [
    "OOM command not allowed when used memory > 'maxmemory'. script: bank_append, on @user_function:85.",
    AppendUnknownError,
    /cannot tell/,
  ],
  ["ERR something that a later release says", AppendUnknownError, /cannot tell/],
] as const)("takes '%s' of a write for what it is", (said, kind, message) => {
  const error = writeFailure(new ServerError(said), "append");
  expect(error).toBeInstanceOf(kind);
  expect(String(error)).toMatch(message);
});

it("knows nothing of a write whose answer did not come", () => {
  expect(writeFailure(new DisconnectedError("gone"), "append")).toBeInstanceOf(AppendUnknownError);
  expect(readFailure(new DisconnectedError("gone"), "read")).toBeInstanceOf(StoreError);
});

it("loads functions only where the server says that it has none", () => {
  expect(lacksLibrary(new ServerError("ERR Function not found"))).toBe(true);
  expect(lacksLibrary(new ServerError("ERR user_function:1: Function not found"))).toBe(false);
  expect(lacksLibrary(new DisconnectedError("ERR Function not found"))).toBe(false);
});

it("leaves other errors as they are", () => {
  const bug = new TypeError("a bug");
  expect(writeFailure(bug, "append")).toBe(bug);
  expect(readFailure(bug, "read")).toBe(bug);
});
