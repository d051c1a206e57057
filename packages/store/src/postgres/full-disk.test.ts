import { statfsSync } from "node:fs";
import { expect, it, onTestFinished } from "vitest";
import { BANK_ID, Chain } from "../conformance/chain.ts";
import { readAll } from "../conformance/fixture.ts";
import { describeWherePostgresIs } from "../conformance/with-postgres.ts";
import { AppendUnknownError, StoreError, StoreFullError } from "../errors.ts";
import { PostgresServer } from "../testing/postgres-server.ts";
import { whereDisksCanBeMade } from "../testing/small-disk.ts";
import { newPlace, plainClient } from "./places.test-util.ts";

const MIB = 1024 * 1024;
const EPOCH = { epoch: 1 };

describeWherePostgresIs("a store whose server", (programs) => {
  whereDisksCanBeMade("has a disk of its own", (makeDisk) => {
    it("refuses what does not fit, is in doubt where the server ends for it, and loses nothing", async () => {
      const disk = makeDisk(200 * MIB);
      const leave = (bytes: number) => {
        const { blocks, bfree, bsize } = statfsSync(disk.folder);
        disk.resize((blocks - bfree) * bsize + bytes);
      };
      const server = await PostgresServer.start(programs, { within: disk.folder });
      onTestFinished(() => server.stop());
      const place = await newPlace(server);
      const store = await place.openBank();
      const chain = new Chain();
      await store.append(chain.growBy(3), EPOCH);

      // The write-ahead log has room in the file that it has begun, the tables have none.
      leave(MIB);
      const fill = async () => {
        for (let i = 0; i < 40; i++) {
          const batch = chain.next({ frameBytes: 200_000 });
          await store.append([batch], EPOCH);
          chain.batches.push(batch);
        }
        throw new Error("the disk was never full");
      };
      const error: unknown = await fill().catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(StoreFullError);
      expect(String(error)).toMatch(/nothing was stored.*No space left on device.*53100/);
      expect(await readAll(store)).toEqual(chain.batches);
      // The same bytes, once there is room, as whoever asks again.
      leave(40 * MIB);
      await store.append([chain.grow({ frameBytes: 200_000 })], EPOCH);

      // Now the log itself needs another file.
      leave(MIB);
      const client = await plainClient(server);
      await client.query("SELECT pg_switch_wal()").catch(() => {
        // The server may end over this already.
      });
      const batch = chain.grow({ frameBytes: 200_000 });
      await expect(store.append([batch], EPOCH)).rejects.toThrow(AppendUnknownError);
      await server.ended();
      await expect(store.append([batch], EPOCH)).rejects.toThrow(/in doubt: recover/);
      await expect(store.recover()).rejects.toThrow(StoreError);

      leave(100 * MIB);
      await server.start();
      const { head } = await store.recover();
      expect([chain.batches.at(-2)?.lastPosition, chain.end]).toContain(head?.position);
      await store.append([batch], EPOCH);
      await store.append([chain.grow()], EPOCH);
      expect(await readAll(store)).toEqual(chain.batches);
      expect((await store.recover()).bankId).toEqual(BANK_ID);
    });
  });
});
