import type { Channel } from "@monster-realtime/client";
import { usePublication } from "@monster-realtime/client/react";
import { startTransition, useEffect, useLayoutEffect, useRef, useState } from "react";

interface CrowdProps {
  channel: string;
  count: number;
  onTear(texts: string): void;
}
/** React yields to other work every 5 ms: rendering a crowd of these takes many turns. */
const RENDER_MS = 4;
const AGAIN_MS = 40;

/** Many components of one channel, rendered repeatedly in time slices while publications arrive in between. */
export function Crowd({ channel, count, onTear }: CrowdProps) {
  const [generation, setGeneration] = useState(0);
  const root = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const timer = setInterval(() => startTransition(() => setGeneration((known) => known + 1)), AGAIN_MS);
    return () => clearInterval(timer);
  }, []);
  const check = () => {
    const texts = new Set([...(root.current?.children ?? [])].map(({ textContent }) => textContent));
    if (texts.size > 1) onTear([...texts].join(" | "));
  };
  useLayoutEffect(check);
  const slow = Array.from({ length: count }, (_, index) => index);
  return (
    <div ref={root} id="crowd" data-generation={generation}>
      {slow.map((index) => (
        <Slow key={index} channel={channel} generation={generation} onShown={check} />
      ))}
    </div>
  );
}

function Slow({ channel, onShown }: { channel: string; generation: number; onShown(): void }) {
  const newest = usePublication(channel as Channel, "count");
  const until = performance.now() + RENDER_MS;
  while (performance.now() < until);
  // After each commit of any part, compare all of the crowd.
  useEffect(onShown);
  return <p>{JSON.stringify(newest?.payload ?? null)}</p>;
}
