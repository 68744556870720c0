import { useRpc } from "@monster-realtime/client/react";
import { useEffect, useMemo } from "react";
import { publicationRates } from "./activity.ts";

const WIDTH = 240;
const HEIGHT = 44;
const EVERY_MS = 30_000;

/** Online workstations and publications per second over the last hour. `online` is the current number, if known. */
export function ActivityChart({ organizationId, online }: { organizationId: string; online: number | null }) {
  const { data, error, refresh } = useRpc("activity.get", { organizationId });
  useEffect(() => {
    const timer = setInterval(refresh, EVERY_MS);
    return () => clearInterval(timer);
  }, [refresh]);
  const rates = useMemo(() => publicationRates(data?.points ?? [], Date.now()), [data]);
  // Show nothing if the principal may not read it, for example a workstation.
  if (error && !error.temporary) return null;
  if (!data) return <p className="hint">{error ? "The activity of the last hour can't be loaded now." : " "}</p>;
  const { points, incomplete } = data;
  const over = points.slice(0, -1);
  return (
    <section className="activity" aria-label="The last hour">
      <Sparkline
        title="online"
        unit="workstations online"
        values={(online === null ? points : over).map((point) => point.workstationsOnline).concat(online ?? [])}
        digits={0}
      />
      <Sparkline title="publications/s" unit="publications per second" values={rates} digits={1} />
      {incomplete && <p className="hint">Some nodes did not answer. Their publications are not counted.</p>}
    </section>
  );
}

interface SparklineProps {
  title: string;
  unit: string;
  values: readonly number[];
  digits: number;
}

function Sparkline({ title, unit, values, digits }: SparklineProps) {
  const most = Math.max(...values, 0);
  const least = Math.min(...values, most);
  const now = values.at(-1) ?? 0;
  const summary = `${unit}: ${now.toFixed(digits)} now, between ${least.toFixed(digits)} and ${most.toFixed(digits)} in the last hour`;
  return (
    <figure>
      <figcaption>
        <b>{now.toFixed(digits)}</b> {title}
        <span className="hint">most in the last hour: {most.toFixed(digits)}</span>
      </figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={summary}>
        <path className="area" d={`${lineOf(values, most)} L${WIDTH} ${HEIGHT} L0 ${HEIGHT} Z`} />
        <path className="curve" d={lineOf(values, most)} />
      </svg>
    </figure>
  );
}

function lineOf(values: readonly number[], most: number): string {
  const step = WIDTH / Math.max(1, values.length - 1);
  const y = (value: number) => HEIGHT - 2 - (most === 0 ? 0 : (value / most) * (HEIGHT - 6));
  return values
    .map((value, index) => `${index === 0 ? "M" : "L"}${(index * step).toFixed(1)} ${y(value).toFixed(1)}`)
    .join(" ");
}
