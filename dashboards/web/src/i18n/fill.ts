// Puts values into a text. `{n}` also chooses between the text for one and for many.

export type Params = Record<string, string | number>;

export function fill(text: string, params: Params, many: number | undefined): string {
  const [one = text, other] = text.split('|');
  const chosen = other === undefined || many === 1 ? one : other;
  return chosen.replace(/\{(\w+)\}/g, (whole, name: string) => String(params[name] ?? whole));
}
