import { z } from "zod";

const MAX_VARIABLES = 200;
const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,254}$/;
const SHOWN_OF_NAME = 64;

const isObject = (value: unknown): boolean => typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * Variables by name. Not zod's record, which silently ignores `__proto__`. Errors name the variable and never contain
 * its value.
 */
export const environmentVars = z
  .custom<Record<string, string>>(isObject, "must be an object of strings")
  .superRefine((variables, context) => {
    const entries = Object.entries(variables);
    const refuse = (path: string[], message: string) => context.addIssue({ code: "custom", path, message });
    if (entries.length > MAX_VARIABLES) refuse([], `must be at most ${MAX_VARIABLES} variables`);
    for (const [name, value] of entries.slice(0, MAX_VARIABLES)) {
      const path = [name.slice(0, SHOWN_OF_NAME)];
      if (!NAME.test(name))
        refuse(path, "must have a name of at most 255 letters, digits and _, not starting with a digit");
      if (typeof value !== "string") refuse(path, "must be a string");
    }
  });
