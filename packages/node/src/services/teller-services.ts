import {
  AccountService,
  BranchService,
  HoldService,
  RequestService,
  SessionService,
  TransactionService,
} from "@bank/proto";
import type { ConnectRouter } from "@connectrpc/connect";
import type { Teller } from "../teller.ts";
import { accountService } from "./account-service.ts";
import { branchService } from "./branch-service.ts";
import { holdService } from "./hold-service.ts";
import { requestService } from "./request-service.ts";
import { sessionService } from "./session-service.ts";
import { transactionService } from "./transaction-service.ts";

/**
 * Everything that customers are served, at the bank and at every branch alike.
 *
 * @param ending aborts when the server begins to close.
 */
export function tellerServices(router: ConnectRouter, teller: Teller, ending: AbortSignal): void {
  router.service(AccountService, accountService(teller));
  router.service(TransactionService, transactionService(teller));
  router.service(HoldService, holdService(teller));
  router.service(RequestService, requestService(teller));
  router.service(BranchService, branchService(teller));
  router.service(SessionService, sessionService(teller, ending));
}
