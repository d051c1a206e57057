// @bank/proto: everything here is generated from the .proto files; all of it is public.
export * from "./gen/bank/journal/v1/batch_pb.ts";
export * from "./gen/bank/journal/v1/journal_service_pb.ts";
export * from "./gen/bank/journal/v1/replication_service_pb.ts";
export * from "./gen/bank/journal/v1/snapshot_pb.ts";
export * from "./gen/bank/v1/account_pb.ts";
export * from "./gen/bank/v1/account_service_pb.ts";
export * from "./gen/bank/v1/branch_service_pb.ts";
export * from "./gen/bank/v1/hold_pb.ts";
export * from "./gen/bank/v1/hold_service_pb.ts";
export * from "./gen/bank/v1/money_pb.ts";
export * from "./gen/bank/v1/propagation_pb.ts";
export * from "./gen/bank/v1/read_info_pb.ts";
export * from "./gen/bank/v1/request_service_pb.ts";
export * from "./gen/bank/v1/transaction_pb.ts";
export * from "./gen/bank/v1/transaction_service_pb.ts";
export * from "./gen/google/rpc/error_details_pb.ts";
export * from "./gen/grpc/health/v1/health_pb.ts";
