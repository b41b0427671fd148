/** Where use cases read the time. Rules never do: time reaches them as an argument. */
export interface Clock {
  now(): Date;
}

export const systemClock: Clock = { now: () => new Date() };
