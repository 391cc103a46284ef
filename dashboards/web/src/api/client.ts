// Reads the API. Every answer is bounded in time; every failure is an ApiError that says what happened.
import type { Gateway, Latest, Page, Problem, Readings, Series, Station } from './types';

const TIMEOUT_MS = 10_000;
/** The most that the API gives at once. */
const PAGE_ITEMS = 1_000;
const PAGES_MAX = 100;

export class ApiError extends Error {
  constructor(
    /** HTTP status; 0 when no answer came. */
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

async function get<T>(path: string, signal?: AbortSignal, timeoutMs = TIMEOUT_MS): Promise<T> {
  const timeout = AbortSignal.timeout(timeoutMs);
  let answer: Response;
  try {
    answer = await fetch(`/api/v1${path}`, {
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      headers: { accept: 'application/json' },
      cache: 'no-store',
    });
    if (answer.ok) return (await answer.json()) as T;
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, error instanceof Error ? error.message : String(error));
  }
  const problem = (await answer.json().catch(() => ({}))) as Problem;
  throw new ApiError(answer.status, problem.detail ?? problem.title ?? answer.statusText);
}

/** All pages of a list. */
async function list<T>(path: string): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | null = null;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const after: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const answer: Page<T> = await get<Page<T>>(`${path}?limit=${PAGE_ITEMS}${after}`);
    items.push(...answer.items);
    cursor = answer.next;
    if (cursor === null) break;
  }
  return items;
}

export const stations = (): Promise<Station[]> => list<Station>('/stations');
export const series = (): Promise<Series[]> => list<Series>('/series');
export const latest = (): Promise<Latest[]> => list<Latest>('/latest');
export const gateways = async (timeoutMs: number): Promise<Gateway[]> =>
  (await get<Page<Gateway>>(`/gateways?limit=${PAGE_ITEMS}`, undefined, timeoutMs)).items;

export function readings(
  name: string,
  range: { from: number; to: number },
  step: string,
  agg: readonly string[],
  signal: AbortSignal,
): Promise<Readings> {
  const query = new URLSearchParams({
    series: name,
    from: new Date(range.from).toISOString(),
    to: new Date(range.to).toISOString(),
    step,
  });
  if (agg.length > 0) query.set('agg', agg.join(','));
  return get<Readings>(`/readings?${query.toString()}`, signal);
}
