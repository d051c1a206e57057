import { describe } from "vitest";
import { describeAppending } from "./appending.ts";
import type { MakeFixture } from "./fixture.ts";
import { describeGaps } from "./gaps.ts";
import { describeOpening } from "./opening.ts";
import { describeReading } from "./reading.ts";
import { describeSavingSnapshots } from "./saving-snapshots.ts";
import { describeSharedPages } from "./shared-pages.ts";
import { describeSnapshots } from "./snapshots.ts";
import { describeTwin } from "./twin.ts";

export { BANK_ID, type BatchShape, Chain, GENESIS_HASH } from "./chain.ts";
export type { JournalStoreFixture } from "./fixture.ts";
export { describeWithPostgres } from "./with-postgres.ts";
export { describeWithRedis } from "./with-redis.ts";

/**
 * The suite that every engine passes, to be called in a test file of the engine's. Each test makes a place of its own,
 * connects stores to it, and disposes of it. Needs vitest.
 */
export function describeJournalStore(name: string, makeStore: MakeFixture): void {
  describe(`${name}: a journal store`, () => {
    describeOpening(makeStore);
    describeAppending(makeStore);
    describeReading(makeStore);
    describeSnapshots(makeStore);
    describeSavingSnapshots(makeStore);
    describeSharedPages(makeStore);
    describeGaps(makeStore);
    describeTwin(makeStore);
  });
}
