// @bank/replica: Sequencer, follower, read gate and epochs.
export {};
