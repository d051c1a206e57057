import { RecordKind } from "@bank/core";
import { encodeFrame, genesisHash, nextHash } from "@bank/journal";
import { expect, it } from "vitest";
import { sha256 } from "../platform.ts";
import { NO_HEAD, proveFrame } from "./check-frame.ts";
import { ReportsMismatchError } from "./errors.ts";

const BANK = new Uint8Array(16).fill(9);
const EPOCH = new Uint8Array(16).fill(1);
const SYSTEM = { principal: "bank", branch: 0, request: undefined };
const BEGUN = {
  ...SYSTEM,
  kind: RecordKind.EPOCH_BEGUN,
  number: 4,
  id: EPOCH,
  bankId: BANK,
  lossAccepted: false,
} as const;

function frameOf(
  record: typeof BEGUN | (typeof SYSTEM & { readonly kind: typeof RecordKind.TIME_TICKED }),
  header: { readonly firstPosition: number; readonly timeMs: number; readonly epochId?: Uint8Array },
): Uint8Array {
  const { firstPosition } = header;
  const rest = { digestAfter: new Uint8Array(16), committedPosition: firstPosition - 1 };
  return encodeFrame({ epochId: EPOCH, ...header, ...rest }, [record]);
}

const TICK = { ...SYSTEM, kind: RecordKind.TIME_TICKED } as const;
const first = frameOf(BEGUN, { firstPosition: 1, timeMs: 1_000 });
const firstHash = nextHash(sha256, genesisHash(sha256, BANK), first);
const head = proveFrame(NO_HEAD, BANK, { frame: first, chainHash: firstHash }, sha256).head;

/** What is said of a frame behind the first, whose hash is as its sender would make it. */
function proofOf(frame: Uint8Array, chainHash = nextHash(sha256, firstHash, frame)) {
  return () => proveFrame(head, BANK, { frame, chainHash }, sha256);
}

it("takes a batch that continues, and tells where it leads", () => {
  expect(head).toEqual({ bankId: BANK, position: 1, chainHash: firstHash, epochId: EPOCH, epoch: 4, timeMs: 1_000 });
  expect(proofOf(frameOf(TICK, { firstPosition: 2, timeMs: 1_000 }))().head).toMatchObject({ position: 2, epoch: 4 });
});

it("refuses a batch that is not the next one of this very journal", () => {
  const good = frameOf(TICK, { firstPosition: 2, timeMs: 1_001 });
  const otherBank = frameOf({ ...BEGUN, bankId: EPOCH }, { firstPosition: 2, timeMs: 1_001 });
  const otherEpoch = frameOf(TICK, { firstPosition: 2, timeMs: 1_001, epochId: BANK });
  for (const [refused, why] of [
    [proofOf(good, firstHash), /the chain hash of the batch behind it is not that of its bytes/],
    [proofOf(good, nextHash(sha256, EPOCH, good)), /the chain hash/],
    [proofOf(frameOf(TICK, { firstPosition: 3, timeMs: 1_001 })), /the batch behind it begins at 3/],
    [proofOf(frameOf(TICK, { firstPosition: 2, timeMs: 999 })), /time would run backwards/],
    [proofOf(otherEpoch), /written under another epoch/],
    [proofOf(otherBank), /an epoch of bank 01010101/],
  ] as const) {
    expect(refused).toThrow(ReportsMismatchError);
    expect(refused).toThrow(why);
    expect(refused).toThrow("reports rebuild");
  }
});
