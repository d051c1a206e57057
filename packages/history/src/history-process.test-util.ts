// A process that projects a random journal into a file until it is killed: `history-process.test-util.ts FILE SEED FROM`.
// It prints how far it is.
import { setImmediate as turn } from "node:timers/promises";
import { Random } from "@bank/testkit";
import { History } from "./history.ts";
import { RandomJournal } from "./random-journal.test-util.ts";
import { TestJournal } from "./test-journal.test-util.ts";

const [file, seed, from] = process.argv.slice(2);
const random = new RandomJournal(new Random(Number(seed)));
const journal = new TestJournal();
for (let i = 0; i < Number(from); i++) journal.append(random.grow());
const silent = () => undefined;
const history = new History({
  journal,
  file,
  start: "eager",
  // Between two transactions some of it waits to be written.
  keepAfterMs: 1,
  platform: {
    log: { info: silent, warn: silent, error: (event, fields) => console.log("error", event, JSON.stringify(fields)) },
    delay: () => new Promise(() => undefined),
    monotonicMs: () => performance.now(),
    random: () => 0,
  },
});
for (;;) {
  for (let i = 0; i < 20; i++) journal.append(random.grow());
  await turn();
  await history.whenProjected(journal.position, AbortSignal.timeout(20_000));
  console.log(journal.batches.length, history.projectedPosition);
}
