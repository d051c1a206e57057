// The dependency rules, over the whole repository; exit code 1 if one is broken.
import { dirname } from "node:path";
import { dependencyViolations } from "./dependency-rules.ts";
import { readPackages, readRootDependencies } from "./read-packages.ts";

const root = dirname(import.meta.dirname);
const packages = readPackages(root);
const violations = dependencyViolations(packages, readRootDependencies(root));
for (const violation of violations) console.error(violation);
if (violations.length > 0) process.exitCode = 1;
else console.log(`Dependency rules hold in ${packages.length} packages.`);
