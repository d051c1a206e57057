// @bank/node: startBank, startBranch, startCluster: the wiring that apps and tests share.
export {};
