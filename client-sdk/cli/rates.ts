/** Formats a rate per second for people. Small rates keep decimals, so that they differ from 0. */
export const rateText = (rate: number): string => (rate === 0 ? "0" : rate < 10 ? rate.toFixed(2) : rate.toFixed(0));
