import { createRoot } from "react-dom/client";
import { App } from "./app.tsx";
import { rememberedTheme, showTheme } from "./shell/theme.ts";

const root = document.getElementById("root");
if (!root) throw new Error("the page has no #root");
showTheme(rememberedTheme());
createRoot(root).render(<App />);
