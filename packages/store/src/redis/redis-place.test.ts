import { expect, it } from "vitest";
import { StoreError } from "../errors.ts";
import { parseRedisUrl } from "./redis-place.ts";

it.each([
  ["redis://localhost", { host: "localhost", port: 6379, tls: false, database: 0, prefix: "bank" }],
  ["redis://localhost:7000/teller", { port: 7000, database: 0, prefix: "teller" }],
  ["redis://localhost/3", { database: 3, prefix: "bank" }],
  ["redis://localhost/3/teller", { database: 3, prefix: "teller" }],
  ["redis://localhost/?prefix=teller&db=4", { database: 4, prefix: "teller" }],
  ["rediss://me:p%40ss@bank.example", { host: "bank.example", tls: true, username: "me", password: "p@ss" }],
  ["redis://:only@localhost", { username: undefined, password: "only" }],
  ["redis://[::1]:7000", { host: "::1", name: "redis://[::1]:7000/bank" }],
  ["redis://localhost?wait_replicas=2", { waitReplicas: 2, allowDataLoss: false }],
  ["redis://localhost", { waitReplicas: 0, waitAof: 0, accountRows: true }],
  ["redis://localhost?wait_aof=1", { waitAof: 1 }],
  ["redis://localhost?account_rows=false", { accountRows: false }],
  ["redis://localhost?lease_ms=5000", { leaseMs: 5_000 }],
  ["redis://localhost?allow_data_loss=true", { allowDataLoss: true }],
])("reads %s", (url, place) => {
  expect(parseRedisUrl(url)).toMatchObject(place);
});

it.each([
  ["redis:", /named by "redis:\/\/HOST/],
  ["redis://", /named by/],
  ["redis://localhost/a/b", /ends with "\/NAME"/],
  ["redis://localhost/{bank}", /prefix has/],
  ["redis://localhost/?prefix=a*", /prefix has/],
  ["redis://localhost/?db=-1", /"\?db="/],
  ["redis://localhost/?wait_replicas=many", /"\?wait_replicas="/],
  ["redis://localhost/?wait_aof=-1", /"\?wait_aof="/],
  ["redis://localhost/?account_rows=no", /"\?account_rows=" of a Redis store is true or false/],
  ["redis://localhost/?lease_ms=499", /"\?lease_ms=" of a Redis store is from 500/],
  ["redis://localhost/?allow_data_loss=1", /true or false/],
  ["redis://localhost/?fsync=no", /knows no "\?fsync="/],
])("refuses %s", (url, message) => {
  expect(() => parseRedisUrl(url)).toThrow(StoreError);
  expect(() => parseRedisUrl(url)).toThrow(message);
});
