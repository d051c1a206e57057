"""A bank as a plain Python gRPC service, in memory: a dictionary of balances, one lock, a pool of threads.

Durable: no. Idempotent: no. Usage: server.py ACCOUNTS, with the generated code on PYTHONPATH.
"""

import sys
import threading
from concurrent import futures

import grpc
import peer_pb2
import peer_pb2_grpc

WORKERS = 10


class Bank(peer_pb2_grpc.BankServicer):
    def __init__(self, accounts):
        self.balances = {str(number): 0 for number in range(1, accounts + 1)}
        self.lock = threading.Lock()

    def Deposit(self, request, context):
        if request.amount_minor <= 0:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "an amount is positive")
        with self.lock:
            balance = self.balances.get(request.account)
            if balance is None:
                context.abort(grpc.StatusCode.NOT_FOUND, "no such account")
            balance += request.amount_minor
            self.balances[request.account] = balance
        return peer_pb2.DepositResponse(balance_minor=balance)


def main():
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=WORKERS))
    peer_pb2_grpc.add_BankServicer_to_server(Bank(int(sys.argv[1])), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"listening on http://127.0.0.1:{port}", flush=True)
    server.wait_for_termination()


main()
