import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { issuer } from "@openauthjs/openauth";
import { MemoryStorage } from "@openauthjs/openauth/storage/memory";
import { createSubjects } from "@openauthjs/openauth/subject";
import { z } from "zod";

const subjects = createSubjects({
  user: z.object({ email: z.string().optional(), email_verified: z.boolean().optional(), name: z.string().optional() }),
});

/** The subject of a test's token. */
export interface TestSubject {
  subject: string;
  email?: string;
  verified?: boolean;
  clientId?: string;
  /** Lifetime in seconds; negative: already expired. */
  ttl?: number;
}

/** A real OpenAuth issuer on loopback, with the introspection endpoint of Monster Auth. */
export class TestIssuer {
  /** Personal access token → the introspection response for it. */
  readonly personal = new Map<string, Record<string, unknown>>();
  introspections: { authorization: string | undefined }[] = [];
  #app = openAuth();
  #server: Server | null = null;
  #port = 0;

  static async start(): Promise<TestIssuer> {
    const made = new TestIssuer();
    await made.resume();
    return made;
  }

  get url(): string {
    return `http://localhost:${this.#port}`;
  }

  /** An access token as the issuer's token endpoint returns it. */
  async token({ clientId = "web", ...subject }: TestSubject): Promise<string> {
    const response = await this.#app.request(`${this.url}/token`, {
      method: "POST",
      body: new URLSearchParams({
        grant_type: "client_credentials",
        provider: "test",
        client_id: clientId,
        client_secret: "secret",
        subject: JSON.stringify(subject),
      }),
    });
    const { access_token: token } = (await response.json()) as { access_token: string };
    return token;
  }

  /** Replaces the signing key. The issuer knows only the new one from then on. */
  rotate(): void {
    this.#app = openAuth();
  }

  async resume(): Promise<void> {
    const server = createServer((request, response) => {
      if (request.url === "/introspect") {
        this.#introspect(request).then((answer) => {
          response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer));
        });
        return;
      }
      void getRequestListener(this.#app.fetch)(request, response);
    });
    await new Promise<void>((resolve) => server.listen(this.#port, "localhost", resolve));
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  /** Stops listening at its address. */
  async stop(): Promise<void> {
    const server = this.#server;
    if (!server) return;
    this.#server = null;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }

  async #introspect(request: IncomingMessage): Promise<Record<string, unknown>> {
    this.introspections.push({ authorization: request.headers.authorization });
    let body = "";
    for await (const part of request) body += part;
    return this.personal.get(new URLSearchParams(body).get("token") ?? "") ?? { active: false };
  }
}

function openAuth() {
  return issuer({
    subjects,
    storage: MemoryStorage(),
    providers: {
      test: {
        type: "test",
        init: () => undefined,
        client: async ({ params }) => JSON.parse(params.subject ?? "{}") as Record<string, string>,
      },
    },
    async success(context, value) {
      const { subject, email, verified, ttl } = value as unknown as TestSubject;
      const properties = {
        ...(email !== undefined && { email }),
        ...(verified !== undefined && { email_verified: verified }),
      };
      return context.subject("user", properties, { subject, ttl: { access: ttl ?? 600 } });
    },
  });
}
