import { ManualPlatform, RecordingLog } from "@bank/testkit";
import { expect, it } from "vitest";
import { TwinWatch } from "./twin-watch.ts";

function newWatch() {
  const log = new RecordingLog();
  const watch = new TwinWatch(new ManualPlatform(), log);
  const copyId = new Uint8Array(16).fill(3);
  const hear = (...runs: number[]) => {
    for (const run of runs) watch.hear({ copyId, run: BigInt(run), branches: [1] });
  };
  return { log, hear };
}

it("takes a copy that starts again and again for one, also where a last word of an ended run comes late", () => {
  const { log, hear } = newWatch();
  hear(1, 1, 2, 2, 3, 4, 5, 5, 6, 7, 8, 9, 10, 11, 12, 13);
  expect(log.lines).toEqual([]);
  hear(12, 14, 15);
  expect(log.lines).toEqual([]);
});

it("tells of two copies that are heard in turns, once", () => {
  const { log, hear } = newWatch();
  hear(1, 2, 1, 2, 1, 2, 1, 2);
  expect(log.about("with one id")).toHaveLength(1);
  expect(log.about("with one id")[0]).toMatchObject({ level: "error", fields: { branches: "1" } });
});
