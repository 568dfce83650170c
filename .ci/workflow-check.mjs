// Reads workflows and action.yml as GitHub does: with the parser and the expression checker that
// GitHub's own editor support is made of. Bundled by .ci/workflows, since plain node cannot load it.
//
//   node workflow-check.cjs action.yml FILE...
//
// The inputs of loop-kit/action are those of the action.yml that is named first, so a misspelt
// `with:` key is found; of other actions nothing is known here. Exit code 1 when a file has a fault.
import {readFileSync} from "node:fs";
import {resolve} from "node:path";
import {pathToFileURL} from "node:url";
import {validate} from "@actions/languageservice";
import {TextDocument} from "vscode-languageserver-textdocument";
import {parse} from "yaml";

const [manifest, ...workflows] = process.argv.slice(2);
const own = parse(readFileSync(manifest, "utf-8"));
const actionsMetadataProvider = {
  async fetchActionMetadata({owner, name}) {
    return owner === "loop-kit" && name === "action" ? own : {name, description: ""};
  },
};

// Each shipped `if:` has its clause for this event; `loop init --github` subscribes to it only where a
// repository has checks to wait for.
const unsubscribed = "Context access might be invalid: workflow_run";

async function faultsOf(path) {
  const text = readFileSync(path, "utf-8");
  const document = TextDocument.create(pathToFileURL(resolve(path)).href, "yaml", 1, text);
  const found = await validate(document, {actionsMetadataProvider});
  return found.filter(({message}) => message !== unsubscribed).map(
    ({range, message}) => `${path}:${range.start.line + 1}:${range.start.character + 1}: ${message}`,
  );
}

Promise.all([manifest, ...workflows].map(faultsOf)).then((lists) => {
  const faults = lists.flat();
  faults.forEach((fault) => console.log(fault));
  process.exitCode = faults.length === 0 ? 0 : 1;
});
