import { useEffect, useState } from "react";

/** `system` follows the operating system's setting. */
export type Theme = "system" | "light" | "dark";

const NEXT: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };
const KEY = "monster-realtime.theme";

/** The console's theme and a function that selects the next one. The browser stores it. */
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

/** Returns the stored theme. Browsers without storage throw. */
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
    // The theme then lasts until the page is closed.
  }
}
