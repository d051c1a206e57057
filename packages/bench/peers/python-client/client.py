"""One Python client of a bank, with several calls in flight from a thread each: what an ordinary customer would write.

Usage: client.py peer|bank HOST:PORT ACCOUNTS THREADS WARM_UP_SECONDS SECONDS, with the generated code on PYTHONPATH.
Prints one line of JSON: calls, acknowledged (those before the measured time included), seconds, latencies in milliseconds and
the processor time of the client in seconds.
"""

import json
import random
import sys
import threading
import time
import uuid

import grpc


def main():
    kind, address, accounts, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    warm_up, duration = float(sys.argv[5]), float(sys.argv[6])
    channel = grpc.insecure_channel(address)
    if kind == "peer":
        import peer_pb2
        import peer_pb2_grpc

        stub = peer_pb2_grpc.BankStub(channel)

        def deposit(account):
            stub.Deposit(peer_pb2.DepositRequest(request_id=str(uuid.uuid4()), account=account, amount_minor=1))

    else:
        import bank_deposit_pb2
        import bank_deposit_pb2_grpc

        stub = bank_deposit_pb2_grpc.TransactionServiceStub(channel)

        def deposit(account):
            amount = bank_deposit_pb2.Money(currency_code="USD", amount_minor=1)
            request = bank_deposit_pb2.DepositRequest(request_id=str(uuid.uuid4()), account=account, amount=amount)
            stub.Deposit(request)

    def run(seconds):
        end = time.perf_counter() + seconds
        measured = [[] for _ in range(threads)]
        failures = []

        def work(latencies):
            try:
                now = time.perf_counter()
                while now < end:
                    deposit(str(random.randint(1, accounts)))
                    then, now = now, time.perf_counter()
                    latencies.append((now - then) * 1000)
            except grpc.RpcError as error:
                failures.append(str(error))

        workers = [threading.Thread(target=work, args=(latencies,)) for latencies in measured]
        started = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        if failures:
            sys.exit(failures[0])
        return sorted(ms for latencies in measured for ms in latencies), time.perf_counter() - started

    before, _ = run(warm_up)
    print("measuring", flush=True)
    used = time.process_time()
    latencies, seconds = run(duration)
    used = time.process_time() - used
    at = lambda part: latencies[max(0, -(-int(part * 1000) * len(latencies) // 1000) - 1)]
    print(
        json.dumps(
            {
                "calls": len(latencies),
                "acknowledged": len(before) + len(latencies),
                "seconds": seconds,
                "p50Ms": at(0.5),
                "p99Ms": at(0.99),
                "p999Ms": at(0.999),
                "maxMs": at(1),
                "processorSeconds": used,
            }
        ),
        flush=True,
    )


main()
