// Numbers, times and addresses as people read them.
const MINUTE = 60_000,
  HOUR = 3_600_000,
  DAY = 86_400_000;

export const date = (value) =>
  new Date(value).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** A time today as a time, any other with its date. */
export function clock(value) {
  const time = new Date(value);
  const today = time.toDateString() === new Date().toDateString();
  const day = today ? "" : `${time.toLocaleDateString(undefined, { month: "short", day: "numeric" })} `;
  return (
    day +
    time.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false })
  );
}

/** A duration of ms in its two largest units. */
export function span(ms) {
  if (ms < 0) return "0 s";
  if (ms < MINUTE) return `${ms < 10_000 ? (ms / 1000).toFixed(1) : Math.round(ms / 1000)} s`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min ${Math.floor((ms % MINUTE) / 1000)} s`;
  if (ms < DAY) return `${Math.floor(ms / HOUR)} h ${Math.floor((ms % HOUR) / MINUTE)} min`;
  return `${Math.floor(ms / DAY)} d ${Math.floor((ms % DAY) / HOUR)} h`;
}

export function bytes(count) {
  if (count < 1000) return `${count} B`;
  const power = Math.min(4, Math.floor(Math.log10(count) / 3));
  return `${(count / 1000 ** power).toPrecision(3)} ${["B", "kB", "MB", "GB", "TB"][power]}`;
}

export const dollars = (amount) => (amount > 0 && amount < 0.01 ? "less than $0.01" : `$${amount.toFixed(2)}`);
/** A price is exact. */
export const price = (amount) => `$${amount}`;

/** A measured number: four figures, no noise. */
export function number(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(2);
  return String(Number(value.toPrecision(4)));
}

/** s3://bucket/key -> the console's own page of it. */
export function s3Page(uri) {
  const [bucket, ...key] = uri.replace("s3://", "").split("/");
  return `/s3/${encodeURIComponent(bucket)}/${key.map(encodeURIComponent).join("/")}`;
}

export const plural = (count, one, many = `${one}s`) => `${count.toLocaleString()} ${count === 1 ? one : many}`;
