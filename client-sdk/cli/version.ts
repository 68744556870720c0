import packageJson from "../package.json" with { type: "json" };

/** Of the package that this program comes with. */
export const VERSION: string = packageJson.version;
