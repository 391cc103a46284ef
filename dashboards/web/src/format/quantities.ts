// How a quantity is named and its values are written.
import { catalogue } from '../generated/quantities';

export type Lang = 'id' | 'en';
export type Kind = 'gauge' | 'amount' | 'angle' | 'counter' | 'state';

interface Quantity {
  kind: Kind;
  title: Record<Lang, string>;
}

const known = new Map<string, Quantity>(
  catalogue.map(([name, kind, id, en]) => [name, { kind, title: { id, en } }]),
);

/** Units as people write them, by UCUM code. What is not here is written as it is. */
const UNITS: Record<string, string | Record<Lang, string>> = {
  Cel: '°C',
  'ug/m3': 'µg/m³',
  'm3/s': 'm³/s',
  'm3/m3': 'm³/m³',
  deg: '°',
  'kW.h': 'kWh',
  '[ppb]': 'ppb',
  '[ppm]': 'ppm',
  'dB[SPL]{A}': 'dB(A)',
  'dB[mW]': 'dBm',
  '{NTU}': 'NTU',
  '[pH]': '',
  '{count}': '',
  '{state}': '',
  '{vehicle}/h': { id: 'kend./jam', en: 'veh/h' },
  'mm/h': { id: 'mm/jam', en: 'mm/h' },
  'km/h': { id: 'km/jam', en: 'km/h' },
};

/** Digits after the decimal sign, where one is not right. */
const DIGITS: Record<string, number> = {
  relative_humidity: 0,
  wind_direction: 0,
  water_level: 2,
  soil_moisture: 3,
  ph: 2,
  battery: 0,
  battery_voltage: 2,
  voltage: 1,
  current: 2,
  signal_strength: 0,
  carbon_dioxide: 0,
  carbon_monoxide: 0,
  traffic_flow: 0,
  parking_occupancy: 0,
  waste_fill: 0,
  pulses: 0,
  switch: 0,
  distance: 2,
};

export function kindOf(quantity: string): Kind {
  return known.get(quantity)?.kind ?? 'gauge';
}

export function titleOf(quantity: string, lang: Lang): string {
  return known.get(quantity)?.title[lang] ?? quantity;
}

export function unitOf(ucum: string, lang: Lang): string {
  const unit = UNITS[ucum] ?? ucum;
  return typeof unit === 'string' ? unit : unit[lang];
}

export function digitsOf(quantity: string): number {
  return DIGITS[quantity] ?? 1;
}

/** What a device tells about itself: never the first thing to see of a station. */
const HOUSEKEEPING: ReadonlySet<string> = new Set(['battery', 'battery_voltage', 'signal_strength']);

/** Where a quantity stands in lists: as in the catalogue, then unknown ones, then housekeeping. */
export function rankOf(quantity: string): number {
  if (HOUSEKEEPING.has(quantity)) return catalogue.length + 1;
  const rank = catalogue.findIndex(([name]) => name === quantity);
  return rank < 0 ? catalogue.length : rank;
}
