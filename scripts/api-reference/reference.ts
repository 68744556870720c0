import { PROCEDURES } from "../../hub/rpc/router/methods.ts";
import { cliPageText } from "./cli-page.ts";
import { firstSentence, GENERATED, link, type Page, pageText, placesOf } from "./page.ts";
import { type Export, Project } from "./project.ts";
import { rpcPageText } from "./rpc-page.ts";

const PROTOCOL = "client-sdk/protocol/";
const ENTITIES = "client-sdk/protocol/entities/";
/** The parts that make up `RpcMethods`: `rpc.md` has their contents. */
const METHOD_PARTS = /(?<!^Rpc)Methods$/;

export interface Reference {
  /** The text of each file of the reference, by its name. */
  files: ReadonlyMap<string, string>;
  /** Names without a docstring, with the file that declares them. */
  undocumented: readonly string[];
}

/** The whole reference, generated from the sources. */
export function renderReference(): Reference {
  const project = new Project();
  try {
    const pages = pagesOf(project);
    const places = placesOf(pages);
    const grants = new Map(PROCEDURES.map(({ method, rights }) => [method, rights]));
    const rpc = rpcPageText(project.rpcMethods("client-sdk/protocol/index.ts"), grants, places);
    const texts = pages.map((page): [string, string] => [page.file, pageText(page, places)]);
    return {
      files: new Map([["README.md", indexText(pages)], ...texts, ["rpc.md", rpc], ["cli.md", cliPageText()]]),
      undocumented: gapsOf(pages),
    };
  } finally {
    project.close();
  }
}

function pagesOf(project: Project): Page[] {
  const root = project.exportsOf("client-sdk/index.ts");
  const protocol = project.exportsOf("client-sdk/protocol/index.ts").filter(({ name }) => !METHOD_PARTS.test(name));
  const isEntity = ({ file }: Export) => file.startsWith(ENTITIES);
  return [
    {
      file: "client.md",
      title: "@monster-realtime/client",
      introduction:
        "For Node and browsers. It also exports everything of [`@monster-realtime/client/protocol`](protocol.md) and its [rows](rows.md).",
      exports: root.filter(({ file }) => !file.startsWith(PROTOCOL)),
    },
    {
      file: "workstation.md",
      title: "@monster-realtime/client/workstation",
      introduction: "For agents on workstations, in Node. [The guide](../workstation-agent.md) has a complete example.",
      exports: project.exportsOf("client-sdk/workstation/index.ts"),
    },
    {
      file: "react.md",
      title: "@monster-realtime/client/react",
      introduction: "For React 19. [The guide](../react.md) shows them in use.",
      exports: project.exportsOf("client-sdk/react/index.ts"),
    },
    {
      file: "protocol.md",
      title: "@monster-realtime/client/protocol",
      introduction:
        "The types of the wire, as [PROTOCOL.md](../../PROTOCOL.md) explains it. It imports nothing; the hub uses the same types.",
      exports: protocol.filter((one) => !isEntity(one)),
    },
    {
      file: "rows.md",
      title: "Rows and params",
      introduction:
        "Params and results of the [RPC methods](rpc.md); part of `@monster-realtime/client/protocol`. Times are ISO 8601 with milliseconds unless noted otherwise.",
      exports: protocol.filter(isEntity),
    },
  ];
}

function indexText(pages: readonly Page[]): string {
  const places = placesOf(pages);
  const sections = pages.map(({ file, title, introduction, exports }) => {
    const notable = exports.filter(({ kind }) => kind !== "type" || file === "workstation.md");
    const rows = notable.map(
      ({ name, doc }) => `| ${link(name, "README.md", places, file)} | ${firstSentence(doc).replaceAll("|", "\\|")} |`,
    );
    const table = rows.length > 0 ? [`| | |\n| --- | --- |\n${rows.join("\n")}`] : [];
    return [`## [${title}](${file})`, introduction, ...table].join("\n\n");
  });
  const head =
    "The exports of the package, with their docstrings. To learn the package, start with [the guide](../README.md).";
  const rpc = "## [RPC methods](rpc.md)\n\nEvery method with its params, its result, and its callers.";
  const cli = "## [The command line](cli.md)\n\nEvery command of `monster-realtime` with its options.";
  return `${[GENERATED, "# API reference", head, ...sections, rpc, cli].join("\n\n")}\n`;
}

function gapsOf(pages: readonly Page[]): string[] {
  return pages.flatMap(({ exports }) =>
    exports.filter(({ doc }) => doc === "").map(({ name, file }) => `${name} (${file})`),
  );
}
