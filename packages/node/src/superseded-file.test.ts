import { existsSync } from "node:fs";
import { expect, it, onTestFinished, vi } from "vitest";
import * as durable from "./durable-file.ts";
import { temporaryFolder } from "./servers.test-util.ts";
import { SupersededFile } from "./superseded-file.ts";

vi.mock("./durable-file.ts", { spy: true });

it("is gone for good once it was removed: a power cut does not bring it back", async () => {
  const folder = await temporaryFolder();
  const file = new SupersededFile(folder);
  file.write({ epoch: 1, newer: 2 });
  const wasThere: boolean[] = [];
  const synced = vi.mocked(durable.syncFolder).mockImplementation(() => {
    wasThere.push(existsSync(file.path));
  });
  onTestFinished(() => synced.mockRestore());
  // The bank has an epoch by now that is newer still.
  file.check(2);
  expect(synced).toHaveBeenLastCalledWith(folder);
  expect(wasThere).toEqual([false]);
  expect(file.read()).toBeUndefined();
});
