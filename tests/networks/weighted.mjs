// The weighted length of each line of standard input (a JSON text) by X's own library, unmodified.
// usage: node weighted.mjs FOLDER_WITH_NODE_MODULES
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(`${process.argv[2]}/`);
const { parseTweet } = require("twitter-text").default ?? require("twitter-text");
for await (const line of createInterface({ input: process.stdin })) {
  console.log(parseTweet(JSON.parse(line)).weightedLength);
}
