/**
 * `@bank/node`: a bank, branches, or both, wired to the network and the disk. Everything exported here is public; other
 * files are internal.
 */
export type { Copied, Damage, Verified } from "@bank/replica";
export { AnchorFile } from "./anchor-file.ts";
export { WITNESS_TIMEOUT_MS } from "./ask-witnesses.ts";
export { type Forgone, type ForgoOptions, forgoCopies } from "./forgo-copies.ts";
export type { HistoryStart } from "./history-wiring.ts";
export { silentLog, textLog } from "./log.ts";
export { nodePlatform, sha256 } from "./platform.ts";
export { type Promoted, type PromoteOptions, promote } from "./promote.ts";
export { bankStoreUrl } from "./promotion-file.ts";
export { describeOther, PromotionRefusedError } from "./promotion-refused-error.ts";
export { type AcceptedLoss, acceptLoss, type Healed, healFrom, type LossOptions } from "./recover-loss.ts";
export { type Resumed, resume } from "./resume.ts";
export {
  type BankServerOptions,
  describeRecovery,
  type RunningBank,
  SNAPSHOT_EVERY_RECORDS,
  startBank,
} from "./start-bank.ts";
export { type BranchServerOptions, type RunningBranches, startBranch } from "./start-branch.ts";
export { type ClusterOptions, type RunningCluster, startCluster } from "./start-cluster.ts";
export {
  type CopyStoreOptions,
  copyStoreTo,
  type StoreReport,
  type VerifyStoreOptions,
  verifyStoreAt,
} from "./store-tools.ts";
export { SupersededError } from "./superseded-file.ts";
