import { RecordingLog } from "@bank/testkit";
import { expect, it } from "vitest";
import { LagWatch } from "./lag-watch.ts";

function watched(...looks: readonly (readonly [projected: number, end: number])[]): string[] {
  const log = new RecordingLog();
  const watch = new LagWatch(log, 100);
  for (const [projected, end] of looks) watch.look(projected, end);
  return log.lines.map(({ level, event }) => `${level} ${event}`);
}

const BUILDING = "info the history is being built";
const BEHIND = "warn the history falls behind the journal";
const CAUGHT_UP = "info the history has caught up with the journal";

it("says nothing while the history is near the end of the journal", () => {
  expect(watched([0, 0], [0, 99], [50, 149], [149, 149])).toEqual([]);
});

it("does not complain of a history that is built for the first time, and says when it is", () => {
  expect(watched([0, 1_000], [500, 1_000], [1_000, 1_000], [1_000, 1_000])).toEqual([BUILDING, BUILDING, CAUGHT_UP]);
});

it("complains of one that fell behind, once for each doubling, and says when it has caught up", () => {
  expect(watched([10, 10], [10, 110], [10, 150], [10, 210], [10, 211], [300, 340], [300, 400])).toEqual([
    BEHIND,
    BEHIND,
    CAUGHT_UP,
    BEHIND,
  ]);
});

it("does not say that it has caught up while it is still half as far behind", () => {
  expect(watched([10, 10], [10, 110], [50, 110], [70, 110])).toEqual([BEHIND, CAUGHT_UP]);
});
