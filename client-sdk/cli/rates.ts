/** A rate a second for eyes: small ones must not look like none. */
export const rateText = (rate: number): string => (rate === 0 ? "0" : rate < 10 ? rate.toFixed(2) : rate.toFixed(0));
