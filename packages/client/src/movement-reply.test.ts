import { BRANCH_NUMBER_MAX, TIME_MS_MAX } from "@bank/core";
import {
  BatchResultSchema,
  type ExecuteMovementsResponse,
  ExecuteMovementsResponseSchema,
  MovementOutcomeSchema,
  MovementTimeSchema,
  ReadInfoSchema,
} from "@bank/proto";
import { create } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { UnexpectedReplyError } from "./attempt-failure.ts";
import { checkReply } from "./movement-reply.ts";

const COUNT = 4;

const other = (row: number, result = create(BatchResultSchema)) => create(MovementOutcomeSchema, { row, result });
const time = (row: number, timeMs = 1_000n) => create(MovementTimeSchema, { row, timeMs });

/** Four rows, of which the third was not plainly done, in the state at 2^40. */
function reply(change: (reply: ExecuteMovementsResponse) => void = () => undefined): ExecuteMovementsResponse {
  const answer = create(ExecuteMovementsResponseSchema, {
    positions: [7n, 8n, 0n, 2n ** 40n],
    times: [time(0), time(3, 2_000n)],
    others: [other(2)],
    branch: 3,
    readInfo: create(ReadInfoSchema, { position: 2n ** 40n }),
  });
  change(answer);
  return answer;
}

it("takes an answer that fits", () => {
  expect(checkReply(reply(), COUNT)).toMatchObject({
    info: { position: 2 ** 40 },
    times: [
      { row: 0, timeMs: 1_000 },
      { row: 3, timeMs: 2_000 },
    ],
    positions: Uint32Array.of(7, 0, 8, 0, 0, 0, 0, 256),
    branch: 3,
  });
});

it("takes what stands at the very limits", () => {
  const utmost = reply((answer) => {
    answer.branch = BRANCH_NUMBER_MAX;
    answer.times = [time(0, BigInt(TIME_MS_MAX))];
    answer.positions = [1n, 1n, 2n ** 64n - 1n, 1n];
  });
  expect(checkReply(utmost, COUNT).branch).toBe(BRANCH_NUMBER_MAX);
});

it("takes an answer of no plain row without times", () => {
  const others = [0, 1, 2, 3].map((row) => other(row));
  expect(
    checkReply(
      reply((answer) => Object.assign(answer, { others, times: [] })),
      COUNT,
    ).others,
  ).toBe(others);
});

const impossible: Record<string, (answer: ExecuteMovementsResponse) => void> = {
  "too few positions": ({ positions }) => positions.pop(),
  "too many positions": ({ positions }) => positions.push(9n),
  "no position of a row that was done": ({ positions }) => {
    positions[1] = 0n;
  },
  "no position of the last row": ({ positions }) => {
    positions[3] = 0n;
  },
  "a position beyond the state": ({ positions }) => {
    positions[0] = 2n ** 40n + 1n;
  },
  "a position of 2^63": ({ positions }) => {
    positions[0] = 2n ** 63n;
  },
  "another row that was not sent": ({ others }) => others.push(other(4)),
  "other rows out of order": ({ others }) => others.push(other(1)),
  "another row twice": ({ others }) => others.push(other(2)),
  "another row without its result": ({ others }) => others.push(create(MovementOutcomeSchema, { row: 3 })),
  "no times": (answer) => {
    answer.times = [];
  },
  "no time of the first row": ({ times }) => times.shift(),
  "times of rows that were not sent": ({ times }) => times.push(time(4)),
  "times out of order": ({ times }) => times.push(time(1)),
  "two times of a row": ({ times }) => times.push(time(3)),
  "a time beyond 2^53": ({ times }) => times.push(time(3, 2n ** 53n)),
  "a time beyond the year 9999": (answer) => {
    answer.times = [time(0, BigInt(TIME_MS_MAX) + 1n)];
  },
  "a branch that cannot be": (answer) => {
    answer.branch = BRANCH_NUMBER_MAX + 1;
  },
  "no state": (answer) => {
    answer.readInfo = undefined;
  },
  "a state beyond 2^53": (answer) => {
    answer.readInfo = create(ReadInfoSchema, { position: 2n ** 53n });
  },
};

it.each(Object.keys(impossible))("takes no answer with %s", (what) => {
  const answer = reply(impossible[what]);
  expect(() => checkReply(answer, COUNT)).toThrow(UnexpectedReplyError);
});
