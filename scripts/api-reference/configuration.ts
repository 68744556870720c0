import { SETTING_GROUPS, type SettingDescription } from "../../hub/config/descriptions.ts";
import { NUMBERS, type NumberSetting } from "../../hub/config/settings.ts";

const NUMBER_SETTINGS = new Map<string, NumberSetting>(Object.entries(NUMBERS));
/** Units by the divisor of a value, the largest first. */
const UNITS: Readonly<Record<string, readonly (readonly [size: number, name: string])[]>> = {
  milliseconds: [
    [86_400_000, "d"],
    [3_600_000, "h"],
    [60_000, "min"],
    [1_000, "s"],
    [1, "ms"],
  ],
  bytes: [
    [1_024 ** 3, "GiB"],
    [1_024 ** 2, "MiB"],
    [1_024, "KiB"],
    [1, "bytes"],
  ],
};

/** `docs/configuration.md`: every variable that the hub reads. */
export function renderConfiguration(): string {
  const groups = Object.entries(SETTING_GROUPS).map(([title, settings]) => {
    const rows = Object.entries(settings).map(([name, setting]) => row(name, setting));
    return `## ${title}\n\n| variable | default | range | description |\n| --- | --- | --- | --- |\n${rows.join("\n")}\n`;
  });
  const head =
    "# Configuration\n\nThe hub reads these environment variables. An invalid value aborts the start with a line that names the variable, the problem\n" +
    "and the remedy. `npm run docs:api` generates this page from `hub/config`.\n";
  return [head, ...groups].join("\n");
}

function row(name: string, { description, byDefault }: SettingDescription): string {
  const number = NUMBER_SETTINGS.get(name);
  const byNumber = number ? written(number.value, number.unit) : "";
  const range = number ? `${readable(number.min, number.unit)} – ${readable(number.max, number.unit)}` : "";
  return `| \`${name}\` | ${byDefault ?? byNumber} | ${range} | ${description} |`;
}

/** The value as it is set, with a readable form: `15000 (15 s)`. */
function written(value: number, unit: string): string {
  const text = readable(value, unit);
  return UNITS[unit] && value > 0 ? `${value} (${text})` : text;
}

function readable(value: number, unit: string): string {
  const [size, name] = UNITS[unit]?.find(([divisor]) => value > 0 && value % divisor === 0) ?? [1, ""];
  return `${value / size}${name === "" ? "" : ` ${name}`}`;
}
