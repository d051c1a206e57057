"""A bank as a Python gRPC service on Redis, as such services run in the wild: a hash for each account, a lock in Redis
around each change of it, a pool of threads.

Durable: as Redis is set up, which with its defaults is: no. Idempotent: no.
Usage: server.py ACCOUNTS REDIS_PORT, with the generated code on PYTHONPATH.
"""

import sys
from concurrent import futures

import grpc
import peer_pb2
import peer_pb2_grpc
import redis

WORKERS = 10
LOCK_SECONDS = 10


class Bank(peer_pb2_grpc.BankServicer):
    def __init__(self, accounts, port):
        self.redis = redis.Redis(port=port, decode_responses=True)
        pipe = self.redis.pipeline(transaction=False)
        for number in range(1, accounts + 1):
            pipe.hset(f"account:{number}", mapping={"balance": 0, "currency": "USD"})
        pipe.execute()

    def Deposit(self, request, context):
        if request.amount_minor <= 0:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "an amount is positive")
        key = f"account:{request.account}"
        with self.redis.lock(f"lock:{key}", timeout=LOCK_SECONDS, sleep=0.001):
            balance = self.redis.hget(key, "balance")
            if balance is None:
                context.abort(grpc.StatusCode.NOT_FOUND, "no such account")
            balance = int(balance) + request.amount_minor
            self.redis.hset(key, "balance", balance)
        return peer_pb2.DepositResponse(balance_minor=balance)


def main():
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=WORKERS))
    peer_pb2_grpc.add_BankServicer_to_server(Bank(int(sys.argv[1]), int(sys.argv[2])), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"listening on http://127.0.0.1:{port}", flush=True)
    server.wait_for_termination()


main()
