// Loads in a process of their own. Run by `load-process.ts`.
import { type LoadDriver, LoadFailedError, runLoad } from "./closed-loop.ts";
import { openDriver } from "./drivers.ts";
import type { LoadAnswer, LoadAsk } from "./load-plan.ts";

const drivers: LoadDriver[] = [];

async function handle(ask: LoadAsk): Promise<LoadAnswer> {
  switch (ask.ask) {
    case "open":
      drivers.push(await openDriver(ask.plan));
      return { answer: "opened", load: drivers.length - 1 };
    case "run":
      return { answer: "ran", result: await runLoad(drivers[ask.load] as LoadDriver, ask.options) };
    case "close":
      for (const driver of drivers) await driver.close();
      return { answer: "closed" };
  }
}

process.on("message", (ask: LoadAsk) => {
  const failed = (error: unknown): LoadAnswer => ({
    answer: "failed",
    problem: error instanceof Error ? (error.stack ?? error.message) : String(error),
    ...(error instanceof LoadFailedError ? { acknowledged: error.acknowledged } : {}),
  });
  void handle(ask)
    .catch(failed)
    .then((answer) => process.send?.(answer));
});
// Whoever asked is gone.
process.on("disconnect", () => process.exit(1));
