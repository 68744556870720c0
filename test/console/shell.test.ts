import type { Page } from "playwright-core";
import { equal, is, ok } from "uvu/assert";
import { browserTest } from "../support/browser.ts";
import { meta, withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { cutOff, OFFLINE, withConsole } from "./support.ts";

const test = suite("the console's shell");

browserTest(test, "shows the signed-in user, the organization, and the latency", () =>
  withHub({}, (hub) =>
    withConsole(hub, async (page) => {
      await page.waitForSelector(".principal >> text=owner@test.invalid");
      is(await page.getAttribute(".principal", "title"), `user ${hub.userId}`);
      is(await page.textContent(".organization"), "Tenant");
      await page.waitForSelector("#connection:has-text('ms')");
      await page.click("text=Sign out");
      await page.waitForSelector("#sign-in");
      await page.fill("#token", hub.workstation.token);
      await page.keyboard.press("Enter");
      await page.waitForSelector(".principal >> text=Machine");
      await page.click("text=Sign out");
      await page.fill("#token", hub.serviceToken);
      await page.keyboard.press("Enter");
      await page.waitForSelector(".principal >> text=test");
    }),
  ),
);

/** Opens an address with a token in the page, like a click on a link. */
const openToken = (page: Page, token: string) =>
  page.evaluate((given) => {
    location.hash = `#token=${given}`;
  }, token);

browserTest(test, "asks before an address with a token switches the session, and names both users", () =>
  withHub({}, (hub) =>
    withConsole(hub, async (page) => {
      await page.click("nav >> text=Channels");
      await openToken(page, hub.workstation.token);
      await page.waitForSelector(`#session-offered >> text=workstation Machine (${hub.workstation.id})`);
      await page.waitForSelector(`#session-now >> text=user owner@test.invalid (${hub.userId})`);
      is(new URL(page.url()).hash, "#/inspect");
      await page.click("text=Stay signed in");
      await page.waitForSelector("#session-swap", { state: "detached" });
      is(await page.getAttribute(".principal", "title"), `user ${hub.userId}`);
      is(new URL(page.url()).hash, "#/inspect");
      await openToken(page, "wst_".padEnd(47, "x"));
      await page.waitForSelector("#session-swap [role=alert]");
      ok(await page.isDisabled("text=Switch the session"));
      await page.keyboard.press("Escape");
      await page.waitForSelector("#session-swap", { state: "detached" });
      is(await page.getAttribute("#connection", "data-state"), "connected");
      await openToken(page, hub.workstation.token);
      await page.click("text=Switch the session");
      await page.waitForSelector(`.principal[title="workstation ${hub.workstation.id}"]`);
      await page.click("text=Sign out");
      await page.waitForSelector("#sign-in");
      await openToken(page, hub.userToken);
      await page.waitForSelector(`.principal[title="user ${hub.userId}"]`);
      is(await page.locator("#session-swap").count(), 0, "without a session there is no question");
    }),
  ),
);

browserTest(test, "shows an invitation while the page is open, and the organization once it is accepted", () =>
  withHub({}, async (hub) => {
    const { organizationId } = hub;
    const stranger = await hub.mint("stranger");
    const owner = await hub.connect(hub.userToken);
    const rpc = (method: string, params: object) => owner.request("rpc", { method, params });
    await withConsole(hub, async (page) => {
      await page.click("text=Sign out");
      await page.fill("#token", stranger);
      await page.keyboard.press("Enter");
      await page.waitForSelector("#problem >> text=This token does not belong to an organization yet.");
      const invited = (await rpc("organizations.invite", { organizationId, email: "stranger@test.invalid" })) as {
        id: string;
      };
      await page.waitForSelector(".invitation >> text=You are invited to Tenant as member.");
      await rpc("organizationMemberships.delete", { id: invited.id });
      await page.waitForSelector(".invitation", { state: "detached" });
      await rpc("organizations.invite", { organizationId, email: "Stranger@test.invalid", role: "admin" });
      await page.waitForSelector(".invitation >> text=as admin");
      await page.click("text=Accept");
      await page.waitForSelector(".organization >> text=Tenant");
      is(await page.locator(".invitation").count(), 0);
    });
  }),
);

browserTest(test, "removes a token from the address of an open page, and stores it nowhere", () =>
  withHub({}, (hub) =>
    withConsole(hub, async (page) => {
      await openToken(page, hub.serviceToken);
      await page.click("text=Switch the session");
      await page.waitForSelector(".principal >> text=test");
      is(new URL(page.url()).hash, "#/workstations");
      const kept = await page.evaluate(() =>
        JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]),
      );
      ok(!kept.includes(hub.serviceToken) && !kept.includes(hub.userToken), kept);
      await page.reload();
      await page.waitForSelector("#sign-in");
    }),
  ),
);

browserTest(test, "shows the error of a failed view, and keeps the other views working", () =>
  withHub({}, async (hub) => {
    const publisher = await hub.connect(hub.userToken);
    await publisher.request("publish", { channel: hub.taskChannel, type: "note", payload: 1 });
    await withConsole(
      hub,
      async (page) => {
        await page.evaluate(() => {
          Date.prototype.toISOString = () => {
            throw new Error("no clock");
          };
          location.hash = "#/inspect";
        });
        await page.fill("#channel", hub.taskChannel);
        await page.click("text=Watch");
        await page.waitForSelector("#problem >> text=This view can't be shown: no clock");
        await page.click("nav >> text=Workstations");
        await page.waitForSelector(".filters");
      },
      /no clock/,
    );
  }),
);

browserTest(test, "follows the system's theme until the user chooses one, and stores the choice", () =>
  withHub({}, (hub) =>
    withConsole(hub, async (page) => {
      const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      await page.emulateMedia({ colorScheme: "light" });
      const light = await paper();
      await page.emulateMedia({ colorScheme: "dark" });
      const dark = await paper();
      ok(light !== dark);
      await page.click("button:has-text('Theme')");
      is(await paper(), light);
      await page.reload();
      await page.waitForSelector("#sign-in");
      is(await paper(), light);
    }),
  ),
);

browserTest(test, "counts down to the next attempt, hidden from screen readers, and explains it", () =>
  withHub({}, (hub) =>
    withConsole(
      hub,
      async (page) => {
        await page.waitForSelector(".workstation");
        await cutOff(hub, page, async () => {
          await page.waitForSelector(".banner >> text=automatically");
          await page.waitForSelector("#connection [aria-hidden=true] >> text=/again in \\d+ s/");
          // It is hidden while an attempt is in progress.
          await until("one alert", async () => (await page.locator("[role=alert]").count()) === 1);
        });
        await page.waitForSelector("#connection[data-state=connected]");
      },
      OFFLINE,
    ),
  ),
);

browserTest(test, "shows refusals in sentences", () =>
  withHub({}, async (hub) => {
    const stranger = await hub.mint("stranger");
    await withConsole(hub, async (page) => {
      await page.click("text=Sign out");
      await page.fill("#token", stranger);
      await page.keyboard.press("Enter");
      await page.waitForSelector("#problem >> text=This token does not belong to an organization yet.");
      is(await page.getAttribute("#connection", "data-state"), "connected");
    });
  }),
);

browserTest(test, "loads nothing from other origins, and its policy forbids it", () =>
  withHub({}, async (hub) => {
    const response = await fetch(hub.url);
    const policy = response.headers.get("content-security-policy") ?? "";
    for (const rule of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'"])
      ok(policy.includes(rule), policy);
    ok(!policy.includes("unsafe"), policy);
    await withConsole(hub, async (page) => {
      const asked: string[] = [];
      page.on("request", (request) => asked.push(new URL(request.url()).origin));
      const machine = await hub.connect(hub.workstation.token);
      await machine.request("presence.join", { channel: hub.workstation.channel, meta: meta() });
      await page.waitForSelector(".workstation[data-status=online]");
      for (const view of ["Tasks", "Channels", "Workstations"]) await page.click(`nav >> text=${view}`);
      equal(
        asked.filter((origin) => origin !== hub.url && !origin.startsWith("data:") && origin !== "null"),
        [],
      );
    });
  }),
);

test.run();
