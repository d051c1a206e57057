// branch-replica: A branch: follower, local reads, forwarded writes.
export {};
