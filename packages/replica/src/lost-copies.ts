import { type Request, requestIdFromBytes, SYSTEM_PRINCIPAL } from "@bank/core";
import type { CountedSetting, Members } from "./members.ts";
import { errorText, type Platform } from "./platform.ts";

export interface LostCopiesOptions {
  readonly platform: Pick<Platform, "randomBytes" | "log">;
  readonly members: Members;
  /** Which copies count. */
  readonly setting: () => CountedSetting;
  readonly submit: (request: Request) => Promise<unknown>;
}

/**
 * Sees to it that a branch which counts, and has lost its disk, counts again: its new copy does so once the journal names
 * it, and it has that. As many of the others as a write needs have to be there, for they have to agree.
 */
export class LostCopies {
  private readonly options: LostCopiesOptions;
  private isReplacing = false;

  constructor(options: LostCopiesOptions) {
    this.options = options;
  }

  /** Looks whether a branch that counts has another copy now. */
  look(): void {
    const { members, setting, platform, submit } = this.options;
    const { copies, members: counted } = setting();
    if (copies === 0 || this.isReplacing) return;
    const replaced = members.replaced({ copies, members: counted });
    if (replaced === undefined || members.countedConnected({ copies, members: counted }) < copies) return;
    this.isReplacing = true;
    platform.log.warn("a branch that counts has another copy of the journal, which counts from now on", {
      branches: replaced.flatMap((member) => (counted.includes(member) ? [] : [member.branch])).join(", "),
    });
    submit({
      principal: SYSTEM_PRINCIPAL,
      branch: 0,
      id: requestIdFromBytes(platform.randomBytes(16)),
      command: { kind: "setDurability", copies, members: replaced },
    })
      .catch((error: unknown) => {
        platform.log.warn("the other copy does not count yet", { problem: errorText(error) });
      })
      .finally(() => {
        this.isReplacing = false;
      });
  }
}
