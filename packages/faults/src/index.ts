// @bank/faults: real servers under faults, with checked histories of what their clients saw. Private.
export { type FaultRun, type FaultRunOptions, runFaults } from "./run-faults.ts";
export { SCENARIOS, type Scenario } from "./scenarios.ts";
