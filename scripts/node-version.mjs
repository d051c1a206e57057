// Which Node runs this repository. Kept free of dependencies and of new syntax: it must run on the old Node too, because
// its only job there is to say what to do.

export const NODE_VERSION_MIN = { major: 22, minor: 18 };

/**
 * True if this version strips types without a flag and satisfies vitest and Connect.
 *
 * @param {string} version as in `process.versions.node`
 */
export function isSupportedNode(version) {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > NODE_VERSION_MIN.major || (major === NODE_VERSION_MIN.major && minor >= NODE_VERSION_MIN.minor);
}

/**
 * What to tell a person whose Node is too old.
 *
 * @param {string} version
 */
export function unsupportedNodeMessage(version) {
  return [
    `This repository needs Node ${NODE_VERSION_MIN.major}.${NODE_VERSION_MIN.minor} or newer, and this is Node ${version}.`,
    "npm scripts and npx use the Node that `npm ci` installs under node_modules/.bin, from one of the optional",
    `dependencies in package.json; it has none that works here (${process.platform}, ${process.arch}), or installing it failed.`,
    "Either run `npm ci --include=optional` again, or install Node 24 from your system and run `npm ci`.",
  ].join("\n");
}
