/** `@bank/node/app`: what the command lines of the servers have in common. Everything here is public. */
export {
  advertisedUrlFlag,
  EXIT_WRONG_FLAGS,
  flag,
  minFreeSpaceFlag,
  printConfig,
  serverCommand,
  serverUrlFlag,
  wholeNumber,
} from "./flags.ts";
export { insecureMessage, isLoopback, type ListenAddress, parseListenAddress } from "./listen-address.ts";
export {
  EXIT_DAMAGED,
  EXIT_LEASE_LOST,
  EXIT_LOSS_DETECTED,
  EXIT_SUPERSEDED,
  EXIT_VIEW_DAMAGED,
  runServer,
  type Stoppable,
  startFailure,
} from "./run-server.ts";
