import { equal, is } from "uvu/assert";
import { browserTest, faultsOf, withBrowser } from "../support/browser.ts";
import { meta, withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { fencedBlock } from "./support/fenced.ts";
import { bundled } from "./support/program.ts";

const test = suite("the page in React of the guide");
const block = fencedBlock("docs/react.md", "tsx", "usePresence");

/** The block inside a real page. */
const page = (projectId: string, token: string) => `
sessionStorage.setItem("token", ${JSON.stringify(token)});
const { createRoot } = await import("react-dom/client");
${block}
createRoot(document.body).render(<Page projectId=${JSON.stringify(projectId)} />);
`;

browserTest(test, "shows members that are present, join, work, disconnect and leave", () =>
  withHub({}, (hub) =>
    withBrowser(async (browser) => {
      const tab = await browser.newPage({ bypassCSP: true });
      const faults = faultsOf(tab);
      const script = await bundled(page(hub.projectId, hub.userToken), "tsx", "browser");
      // An otherwise empty page of the hub's origin.
      await tab.route("**/favicon.ico", (route) => route.fulfill({ status: 204 }));
      await tab.goto(`${hub.url}/healthz`);
      await tab.addScriptTag({ content: script, type: "module" });
      const shows = (...texts: string[]) =>
        until(`the page shows ${texts}`, async () => {
          const shown = await tab.locator("li").allTextContents();
          return shown.join("\n") === texts.join("\n");
        });
      await tab.waitForSelector("ul[aria-label=Workstations]", { state: "attached" });
      const key = `workstation:${hub.workstation.id}`;
      const channel = hub.workstation.channel;
      const machine = await hub.connect(hub.workstation.token);
      await machine.request("presence.join", { channel, meta: meta() });
      await shows(`${key}: online, 0 tasks`);
      await machine.request("presence.update", { channel, meta: meta({ status: "busy", currentTaskCount: 2 }) });
      await shows(`${key}: busy, 2 tasks`);
      machine.cut();
      await shows(`${key}: unreachable, 2 tasks`);
      const back = await hub.connect(hub.workstation.token);
      await back.request("presence.join", { channel, meta: meta() });
      await shows(`${key}: online, 0 tasks`);
      back.close();
      await shows();
      equal(faults, []);
      is(await tab.locator("ul").count(), 1);
    }),
  ),
);

test.run();
