// What the HTTP API under /api/v1 answers, as far as the pages use it.

export type State = 'fresh' | 'stale' | 'silent';

/** One series' newest reading; `/latest` items and the data of `/live` events. */
export interface Latest {
  series: string;
  station: string;
  quantity: string;
  /** UCUM. */
  unit: string;
  /** RFC 3339. */
  time: string;
  value: number | null;
  age_s: number;
  state: State;
  flags: string[];
}

export interface Series {
  series: string;
  station: string;
  quantity: string;
  unit: string;
  channel: string | null;
  /** The gateway that owns the device. */
  gateway: string;
  /** Readings stored, about; null where they are in a database of somebody else. */
  points: number | null;
  /** RFC 3339; null while nothing is stored. */
  first: string | null;
  last: string | null;
  /** Typical seconds between readings; null or left out while not known. */
  interval_s?: number | null;
}

export interface Station {
  station: string;
  name: string | null;
  latitude: number | null;
  longitude: number | null;
  kecamatan: string | null;
  kind: string | null;
  series: string[];
  assigned: boolean;
}

export interface Gateway {
  gateway: string;
  /** RFC 3339; null when not seen since ingest started. */
  last_seen: string | null;
  /** Whether its stream is open now. */
  connected: boolean;
  /** Readings not acked yet, and the age of the oldest; null until it said so. */
  backlog: number | null;
  lag_s: number | null;
  lost: number;
  quarantined: number;
  accepted?: number | null;
  clock: string;
}

export interface Completeness {
  expected: number | null;
  received: number;
  /** Null where counting them would take too long. */
  late: number | null;
  flagged: number | null;
  excluded: number;
}

export interface ReadingsOfSeries {
  series: string;
  unit: string;
  /** Epoch milliseconds; for a step, the start of each bucket. */
  times: number[];
  values?: (number | null)[];
  mean?: (number | null)[];
  min?: (number | null)[];
  max?: (number | null)[];
  sum?: (number | null)[];
  last?: (number | null)[];
  increase?: (number | null)[];
  vector_mean?: (number | null)[];
  count?: (number | null)[];
  /** One list of names a reading. */
  flags?: string[][];
  completeness?: Completeness | null;
}

export interface Readings {
  from: string;
  to: string;
  step: string;
  series: ReadingsOfSeries[];
}

export interface Page<T> {
  items: T[];
  next: string | null;
}

/** RFC 9457. */
export interface Problem {
  title?: string;
  detail?: string;
  status?: number;
}
