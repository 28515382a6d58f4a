// The site's own search, outside of a browser: node site_search.js SITE WORD...
// Prints, as JSON, the first hits of each word.
"use strict";
const { readFileSync } = require("node:fs");
const { join } = require("node:path");
const vm = require("node:vm");

const N_HITS = 5;
const [site, ...words] = process.argv.slice(2);
// A page that never finishes loading: nothing is looked for in it.
const document = { readyState: "loading", addEventListener() {}, getElementById: () => null };
const scope = vm.createContext({ document, words, N_HITS, SPHINX_HIGHLIGHT_ENABLED: false });
scope.window = scope;
const scripts = ["documentation_options", "doctools", "language_data", "searchtools"];
const files = [...scripts.map((name) => join("_static", name + ".js")), "searchindex.js"];
for (const file of files) vm.runInContext(readFileSync(join(site, file), "utf8"), scope);
const hits = vm.runInContext(
  `Object.fromEntries(words.map((word) => {
    const found = Search._performSearch(...Search._parseQuery(word)).reverse();
    return [word, found.slice(0, N_HITS).map(([page, title, anchor]) => ({ page, title, anchor }))];
  }))`,
  scope,
);
process.stdout.write(JSON.stringify(hits));
