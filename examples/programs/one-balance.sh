#!/bin/sh
# Branches that show one balance everywhere: the exercise in which customers send `MsgDelivery` to branches, and branches
# `Propagate_Deposit` and `Propagate_Withdraw` to each other. An input.json goes in, an output.json comes out.
set -eu
examples=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
output=$(mktemp -d)
trap 'rm -rf "$output"' EXIT

for input in per-customer/pay-day per-event/errands; do
  # Starts a bank and the branches that the file names, lets its customers act, and stops them all.
  "$examples/../bank" scenario run "$examples/$input.input.json" --out "$output/output.json"
  echo "$input.input.json gives:"
  cat "$output/output.json"
done
