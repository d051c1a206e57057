// A bank in a process of its own that notes when each batch is durable. Run by `fleet.ts`.
import { type RunningBank, silentLog, startBank } from "@bank/node";
import { serveAsks } from "./child.ts";
import { MomentLog } from "./moments.ts";

const log = new MomentLog();
let bank: RunningBank | undefined;

serveAsks(async (ask) => {
  switch (ask.ask) {
    case "start bank":
      bank = await startBank({
        dataDir: ask.dataDir,
        log: silentLog,
        wrapStore: (store) => {
          const append = store.append.bind(store);
          store.append = async (batches, options) => {
            await append(batches, options);
            const position = batches.at(-1)?.lastPosition;
            if (position !== undefined) log.note(position);
          };
          return store;
        },
      });
      return { answer: "started", urls: [bank.url] };
    case "moments":
      return { answer: "moments", moments: [log.take()] };
    case "stop":
      await bank?.close();
      setImmediate(() => process.exit(0));
      return { answer: "done" };
    default:
      throw new Error(`a bank does not know ${ask.ask}`);
  }
});
