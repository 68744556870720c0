import { equal, ok } from "uvu/assert";
import { HubError } from "../../hub/kernel/errors.ts";
import { columnOf } from "../../hub/kernel/public-fields.ts";
import { ENTITIES, PROCEDURES } from "../../hub/rpc/router/methods.ts";
import { suite } from "../support/suite.ts";

const test = suite("URL fields of rows");

type Entity = (typeof ENTITIES)[number];

/** The names of fields that contain a URL. */
const ADDRESS = /(?:url|uri|href|link)s?$/i;
/** Fields whose URLs are not web pages: git clones from them. */
const REPOSITORIES = ["projectRepositories.githubUrl"];

const WEB = ["https://example.com/a?b#c", "http://localhost:3000", "HTTPS://EXAMPLE.COM"];
const NOT_WEB = ["ssh://git@example.com/a/b", "git@example.com:a/b.git", "ftp://example.com/a", "mailto:a@example.com"];
const NEVER = [
  "javascript:alert(1)",
  "JavaScript:alert(1)",
  " javascript:alert(1)",
  "java\nscript:alert(1)",
  "\u0001javascript:alert(1)",
  "javascript://example.com/%0aalert(1)",
  "javascript://github.com/owner/repo",
  "data:text/html,<script>alert(1)</script>",
  "vbscript:msgbox(1)",
  "file:///etc/passwd",
  "blob:https://example.com/1",
  "https:javascript:alert(1)",
  "//example.com/a",
  "/a",
  "example.com",
  "",
];

const addressesOf = (entity: Entity): string[] =>
  Object.keys(entity.rows.table.columns).filter((name) => ADDRESS.test(name));

/** Whether a method rejects these params because of this path. */
function faultyPaths(method: string, params: unknown): string[] {
  const procedure = PROCEDURES.find((candidate) => candidate.method === method);
  ok(procedure, method);
  try {
    procedure?.bind(params);
    return [];
  } catch (error) {
    if (error instanceof HubError && error.code === "bad_request")
      return (error.details as { path: string }[]).map(({ path }) => path);
    throw error;
  }
}

/** Whether the methods that set this field accept such a URL. */
function taken({ name, idPrefix }: Entity, field: string, value: string): boolean[] {
  const id = `${idPrefix}_01ARZ3NDEKTSV4RRFFQ69G5FAV`;
  return [
    !faultyPaths(`${name}.create`, { [field]: value }).includes(field),
    !faultyPaths(`${name}.update`, { id, set: { [field]: value } }).includes(`set.${field}`),
  ];
}

const FIELDS = ENTITIES.flatMap((entity) => addressesOf(entity).map((field) => ({ entity, field })));

test("every entity's URL fields are found", () => {
  const names = FIELDS.map(({ entity, field }) => `${entity.name}.${field}`);
  equal(names.toSorted(), [
    "projectRepositories.githubUrl",
    "taskAttachments.storageUrl",
    "users.avatarUrl",
    "workstations.devServerPublicUrl",
  ]);
});

test("no entity accepts a URL that a browser would execute or open from its own disk", () => {
  for (const { entity, field } of FIELDS)
    for (const value of NEVER) equal(taken(entity, field, value), [false, false], `${entity.name}.${field}: ${value}`);
});

test("URLs of pages are http or https only; URLs of repositories may also use git's other protocols", () => {
  for (const { entity, field } of FIELDS) {
    const isRepository = REPOSITORIES.includes(`${entity.name}.${field}`);
    const web = isRepository ? ["https://github.com/a/b", "http://localhost/a/b"] : WEB;
    const git = isRepository ? NOT_WEB.slice(2) : NOT_WEB;
    for (const value of web) equal(taken(entity, field, value), [true, true], `${entity.name}.${field}: ${value}`);
    for (const value of git) equal(taken(entity, field, value), [false, false], `${entity.name}.${field}: ${value}`);
  }
  ok(FIELDS.every(({ field }) => columnOf(field).endsWith("_url")));
});

test.run();
