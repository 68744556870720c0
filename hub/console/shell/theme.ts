import { useEffect, useState } from "react";

/** `system` follows the system. */
export type Theme = "system" | "light" | "dark";

const NEXT: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };
const KEY = "monster-realtime.theme";

/** The theme of the console, and the step to the next one; this browser remembers it. */
export function useTheme(): [Theme, () => void] {
  const [theme, setTheme] = useState(rememberedTheme);
  useEffect(() => {
    showTheme(theme);
    remember(theme);
  }, [theme]);
  return [theme, () => setTheme(NEXT[theme])];
}

export function showTheme(theme: Theme): void {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

/** Browsers may keep nothing, and say so by throwing. */
export function rememberedTheme(): Theme {
  try {
    const theme = localStorage.getItem(KEY);
    return theme === "light" || theme === "dark" ? theme : "system";
  } catch {
    return "system";
  }
}

function remember(theme: Theme): void {
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // It is remembered as long as the page is.
  }
}
