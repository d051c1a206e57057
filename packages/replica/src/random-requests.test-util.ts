import type { GroupItem, Ledger, Position, Request } from "@bank/core";
import { deposit, openAccount, type Random, randomId, request, transfer, withdraw } from "@bank/testkit";
import { cancelRequest, captureHold, group, placeHold, releaseHold, reverse } from "./commands.test-util.ts";
import type { Answered } from "./outcome.ts";

const ACCOUNTS = 4;

/** Requests of all kinds that the testkit's naive bank knows: new ones, and the same ones again. */
export class RandomRequests {
  private readonly random: Random;
  private readonly asked: Request[] = [];
  /** Where movements and holds stand that somebody was told of. */
  private readonly movements: Position[] = [];
  private readonly holds: Position[] = [];

  constructor(random: Random) {
    this.random = random;
  }

  /** Remembers what can be reversed, captured and released. */
  told({ record, position }: Answered): void {
    if ("held" in record && !("hold" in record)) this.holds.push(position);
    else if ("debit" in record || "credit" in record) this.movements.push(position);
  }

  /** @param ledger whose time holds end relative to. */
  next(ledger: Pick<Ledger, "timeMs">): Request {
    const { random } = this;
    if (this.asked.length > 0 && random.chance(20)) return random.pick(this.asked);
    if (this.asked.length > 0 && random.chance(5)) return { ...random.pick(this.asked), command: cancelRequest };
    const made = request(randomId(random), this.command(ledger));
    this.asked.push(made);
    return made;
  }

  /** A request that was made before, if there is one. */
  known(): Request | undefined {
    return this.asked.length === 0 ? undefined : this.random.pick(this.asked);
  }

  private command(ledger: Pick<Ledger, "timeMs">): Request["command"] {
    const { random } = this;
    const account = 1 + random.below(ACCOUNTS);
    switch (random.below(12)) {
      case 0:
        return openAccount();
      case 1:
      case 2:
        return placeHold(account, 1 + random.below(60), random.chance(30) ? 0 : ledger.timeMs + random.below(120));
      case 3:
        return captureHold(this.pick(this.holds), random.chance(50) ? undefined : 1 + random.below(40));
      case 4:
        return releaseHold(this.pick(this.holds));
      case 5:
        return reverse(this.pick(this.movements));
      case 6:
        return group(...Array.from({ length: 1 + random.below(3) }, () => this.movement()));
      default:
        return this.movement();
    }
  }

  private movement(): GroupItem {
    const { random } = this;
    const account = 1 + random.below(ACCOUNTS);
    const made = [
      deposit(account, 1 + random.below(100)),
      deposit(account, 1 + random.below(100)),
      withdraw(account, 1 + random.below(100)),
      transfer(account, 1 + random.below(ACCOUNTS), 1 + random.below(60)),
    ];
    return random.pick(made) as GroupItem;
  }

  /** Mostly one that is known, and the newest more often; sometimes one where nothing is for a long time. */
  private pick(positions: readonly Position[]): Position {
    const { random } = this;
    if (positions.length === 0 || random.chance(5)) return 1_000_000 + random.below(1_000);
    return random.chance(50)
      ? (positions.at(-1 - random.below(Math.min(3, positions.length))) as Position)
      : random.pick(positions);
  }
}
