import { useState } from "react";

/** `system` follows the system. */
export type Theme = "system" | "light" | "dark";

const NEXT: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };

/** The theme of this page, and the step to the next one; kept as long as the page is. */
export function useTheme(): [Theme, () => void] {
  const [theme, setTheme] = useState<Theme>("system");
  const step = () => {
    const next = NEXT[theme];
    if (next === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    setTheme(next);
  };
  return [theme, step];
}
