import { expect, it } from "vitest";
import { requestIdFromBytes } from "../identifiers.ts";
import { Random, SEED, seeded } from "../random.test-util.ts";
import { addRequestTerms } from "./request-terms.ts";
import { Digest, TermHasher } from "./term-hasher.ts";
import { Terms } from "./terms.ts";

it(`adds to the digest what each request would by itself ${seeded("ledger/request-terms.test.ts")}`, () => {
  const random = new Random(SEED);
  const terms = new Terms();
  const [single, many] = [new Digest(), new Digest()];
  for (let run = 0; run < 50; run++) {
    const count = random.below(20);
    const words = (perEntry: number) => Int32Array.from({ length: perEntry * count }, () => random.word() | 0);
    const columns = { ids: words(4), principals: words(1), positions: words(2), hashes: words(2) };
    for (let i = 0; i < count; i++) {
      // Principals mostly come in rows.
      columns.principals[i] = random.chance(70) && i > 0 ? (columns.principals[i - 1] as number) : random.below(3);
      columns.positions[2 * i + 1] = random.below(2 ** 21);
      const id = requestIdFromBytes(new Uint8Array(columns.ids.slice(4 * i, 4 * i + 4).buffer));
      const low = (columns.positions[2 * i] as number) >>> 0;
      const position = (columns.positions[2 * i + 1] as number) * 2 ** 32 + low;
      const [hashLow, hashHigh] = [columns.hashes[2 * i] as number, columns.hashes[2 * i + 1] as number];
      single.add(terms.request(columns.principals[i] as number, id, position, hashLow, hashHigh));
    }
    addRequestTerms(many, columns);
    const none = new TermHasher();
    expect(many.bytesWith(none)).toEqual(single.bytesWith(none));
  }
});
