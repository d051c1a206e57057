import { AppendUnknownError, StoreError, StoreLockedError, UnsafeSettingsError } from "@bank/store/errors";
import { driven, ManualPlatform } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { inTurn } from "./in-turn.ts";

const LEASED = new StoreLockedError("in use", { holder: "http://the-leader:1", isLeased: true });

/** Opens after so many failures; gives who was told to be the leader. */
async function waited(...failures: Error[]): Promise<readonly (string | undefined)[]> {
  const leaders: (string | undefined)[] = [];
  const platform = new ManualPlatform();
  const open = async () => {
    const failure = failures.shift();
    if (failure !== undefined) throw failure;
  };
  await driven(platform, inTurn(open, { platform, onLeader: async (leader) => void leaders.push(leader) }));
  return leaders;
}

describe("a server that waits for its turn", () => {
  it("waits on while the store is away, and while there is only a server that is refused", async () => {
    const away = new StoreError("the server does not answer");
    const refused = new UnsafeSettingsError("it is a standby");
    expect(await waited(LEASED, away, refused, LEASED)).toEqual([LEASED.holder, LEASED.holder]);
  });

  it("waits on when the store breaks off while it begins its epoch", async () => {
    const unknown = new AppendUnknownError("the connection broke");
    expect(await waited(LEASED, unknown, LEASED)).toEqual([LEASED.holder, LEASED.holder]);
  });

  it.each([
    new AppendUnknownError("the connection broke"),
    new StoreError("the server does not answer"),
    new UnsafeSettingsError("it is a standby"),
    new StoreLockedError("in use"),
  ])("does not begin to for %s", async (error) => {
    await expect(waited(error)).rejects.toBe(error);
  });
});
