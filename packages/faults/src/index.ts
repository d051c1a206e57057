// @bank/faults: real servers under faults, with checked histories of what their clients saw. Private.
export { FaultCluster } from "./fault-cluster.ts";
export { type FaultRun, type FaultRunOptions, runFaults } from "./run-faults.ts";
