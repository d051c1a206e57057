/**
 * The scenario runner without the bank: reading files, running them against a small interface, writing the output.
 * The command line uses what is exported here; the other files are internal.
 */

export { readScenario } from "./read-scenario.ts";
export { type Answer, type CustomerAnswers, type RunOptions, runScenario } from "./run-scenario.ts";
export type {
  CashEvent,
  QueryEvent,
  Scenario,
  ScenarioAccount,
  ScenarioCustomer,
  ScenarioEvent,
  ScenarioShape,
  TransferEvent,
} from "./scenario.ts";
export type { Outcome, RunningScenarioBank, ScenarioBank, ScenarioSession, ScenarioTeller } from "./scenario-bank.ts";
export { runScenarioFile, type ScenarioCommand, type ScenarioExitCode, type TextSink } from "./scenario-command.ts";
export { ScenarioError, ScenarioFileError, ScenarioInputError } from "./scenario-error.ts";
export { readScenarioFile } from "./scenario-files.ts";
export { writeFileAtomically } from "./write-file-atomically.ts";
export { writeOutput } from "./write-output.ts";
