import { useEffect, useRef } from "react";

/** Maps a key to its description and its action. */
export type Shortcuts = Record<string, readonly [description: string, act: () => void]>;

const KEY_NAMES: Record<string, string> = { Escape: "Esc" };

/**
 * Registers keys that work outside of text fields. Esc also works inside and leaves the field. Returns them for `Help`.
 */
export function useShortcuts(shortcuts: Shortcuts): Shortcuts {
  const newest = useRef(shortcuts);
  useEffect(() => {
    newest.current = shortcuts;
  });
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const { key, target } = event;
      const isTyping = target instanceof HTMLElement && /^(?:INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
      const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey;
      const shortcut = Object.hasOwn(newest.current, key) ? newest.current[key] : undefined;
      if (!shortcut || !isPlain || document.querySelector("dialog[open]") || (isTyping && key !== "Escape")) return;
      event.preventDefault();
      if (isTyping) (target as HTMLElement).blur();
      shortcut[1]();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  return shortcuts;
}

/** The dialog with all keys, opened by `?`. */
export function Help({ shortcuts }: { shortcuts: Shortcuts }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useShortcuts({ "?": ["this help", () => dialog.current?.showModal()] });
  return (
    <dialog ref={dialog} aria-label="Keys">
      <h2>Keys</h2>
      <dl>
        {Object.entries(shortcuts).map(([key, [description]]) => (
          <div key={key}>
            <dt>
              <kbd>{KEY_NAMES[key] ?? key}</kbd>
            </dt>
            <dd>{description}</dd>
          </div>
        ))}
      </dl>
      <form method="dialog">
        <button type="submit">Close</button>
      </form>
    </dialog>
  );
}
