// Bars and lines over categories, as pictures of the page's own; what they show is said in a table below them too.
import { number } from "./format.js";
import { html } from "./ui.js";

const SHOWN = 8; // series that have a colour of their own: after the fourth their pattern differs
const MOST = 60; // categories of bars that one can tell apart

/** Rows as series: {categories, series: [{name, values}]}. The first column is the category, the second may be a series. */
export function seriesOf({ columns, rows, dimensions }) {
  const categories = [...new Set(rows.map((row) => String(row[0] ?? "none")))];
  const at = new Map(categories.map((each, index) => [each, index]));
  const blank = () => categories.map(() => null);
  if (dimensions < 2) {
    const series = columns.slice(1).map(({ name }) => ({ name, values: blank() }));
    rows.forEach((row) => series.forEach((one, index) => (one.values[at.get(String(row[0] ?? "none"))] = row[index + 1])));
    return { categories, series };
  }
  const found = new Map();
  rows.forEach((row) => {
    const name = String(row[1] ?? "none");
    if (!found.has(name)) found.set(name, { name, values: blank() });
    found.get(name).values[at.get(String(row[0] ?? "none"))] = row[2];
  });
  return { categories, series: [...found.values()] };
}

/** Round steps from 0, or from below it, to the greatest value. */
export function ticksOf(low, high, count = 4) {
  const span = high - low || Math.abs(high) || 1;
  const power = 10 ** Math.floor(Math.log10(span / count));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => span / each <= count) || 10 * power;
  const first = Math.floor(low / step),
    last = Math.ceil(high / step);
  return Array.from({ length: last - first + 1 }, (_, index) => Number(((first + index) * step).toPrecision(12)));
}

const short = (value) => {
  const size = Math.abs(value);
  const [unit, word] = size >= 1e9 ? [1e9, "G"] : size >= 1e6 ? [1e6, "M"] : size >= 1e4 ? [1e3, "k"] : [1, ""];
  return `${Number((value / unit).toPrecision(4)).toLocaleString()}${word}`;
};
const tidy = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
const swatch = (index) => `series-${index % SHOWN}`;
const exact = (value) => (value === null || value === undefined ? "none" : Number.isInteger(value) ? value.toLocaleString() : number(value));

const Legend = ({ series }) =>
  series.length > 1 &&
  html`<ul class="key">${series.map(({ name }, index) => html`<li key=${name}><i class=${swatch(index)} aria-hidden="true"></i><span class="wrap">${name}</span></li>`)}</ul>`;

function summary(title, words, { categories, series }) {
  if (words) return words;
  const said = series.slice(0, 6).map(({ name, values }) => {
    const known = values.map((value, index) => [value, categories[index]]).filter(([value]) => value !== null && value !== undefined);
    if (!known.length) return name;
    const most = known.reduce((a, b) => (b[0] > a[0] ? b : a)),
      least = known.reduce((a, b) => (b[0] < a[0] ? b : a));
    return `${name} from ${exact(least[0])} (${least[1]}) to ${exact(most[0])} (${most[1]})`;
  });
  return `${title}: ${categories.length} categories; ${said.join("; ")}`;
}

const Numbers = ({ columns, categories, series }) => html`
  <details class="numbers"><summary>As numbers</summary><div class="scroll" tabindex="0" role="region" aria-label="The numbers"><table><thead><tr><th scope="col">${columns[0].name}</th>${series.map(({ name }) => html`<th key=${name} scope="col">${name}</th>`)}</tr></thead>
    <tbody>${categories.slice(0, 200).map((each, row) => html`<tr key=${each}><th scope="row">${each}</th>${series.map(({ name, values }) => html`<td key=${name} data-label=${name}>${exact(values[row])}</td>`)}</tr>`)}</tbody></table></div></details>`;

/** Bars that lie or stand, beside or upon one another. */
export function Bars({ visual, title }) {
  const all = seriesOf(visual);
  const categories = all.categories.slice(0, MOST);
  const series = all.series.map(({ name, values }) => ({ name, values: values.slice(0, MOST) }));
  const stacked = visual.stacked && series.length > 1;
  const totals = categories.map((_, at) => series.reduce((sum, { values }) => sum + Math.max(0, values[at] ?? 0), 0));
  const flat = series.flatMap(({ values }) => values.map((value) => value ?? 0));
  const ticks = ticksOf(stacked ? 0 : Math.min(0, ...flat), Math.max(0, ...(stacked ? totals : flat)));
  const low = ticks[0],
    high = ticks[ticks.length - 1] === low ? low + 1 : ticks[ticks.length - 1];
  const share = (value) => ((value - low) / (high - low)) * 100;
  const shape = { categories, series, stacked, ticks, share };
  return html`
    <${Legend} series=${series} />
    <div role="img" aria-label=${summary(title, visual.words, { categories, series })}>${visual.lying ? html`<${Lying} ...${shape} />` : html`<${Standing} ...${shape} />`}</div>
    ${all.categories.length > MOST && html`<p class="quiet">The first ${MOST} of ${all.categories.length.toLocaleString()} bars are drawn.</p>`}
    <${Numbers} columns=${visual.columns} ...${all} />`;
}

/** Of one category: [[series, from %, to %, value]]. */
function pieces(series, at, stacked, share) {
  let sum = 0;
  return series.map(({ name, values }, index) => {
    const value = values[at] ?? 0;
    const from = stacked ? sum : Math.min(0, value);
    const to = stacked ? (sum += Math.max(0, value)) : Math.max(0, value);
    return { name, index, from: share(from), to: share(to), value: values[at] };
  });
}

const Lying = ({ categories, series, stacked, ticks, share }) => html`
  <div class="lying">${categories.map(
    (category, at) => html`
    <span key=${`n${category}`} class="name" title=${category}>${tidy(category, 28)}</span>
    <span key=${`b${category}`} class=${stacked ? "row stacked" : series.length > 1 ? "row many" : "row"}>${pieces(series, at, stacked, share).map(
      ({ name, index, from, to, value }) => html`<i key=${name} class=${swatch(index)} style=${{ marginLeft: stacked && index ? "0" : `${from}%`, width: `${Math.max(0, to - from)}%` }} title=${`${category}, ${name}: ${exact(value)}`}></i>`,
    )}${series.length === 1 && html`<b class="value">${short(series[0].values[at] ?? 0)}</b>`}</span>`,
  )}
  ${series.length > 1 && html`<span></span><span class="scale quiet">${ticks.map((tick) => html`<small key=${tick}>${short(tick)}</small>`)}</span>`}</div>`;

const HIGH = 200;
const Standing = ({ categories, series, stacked, ticks, share }) => html`
  <div class="standing">
    <div class="scale quiet" aria-hidden="true">${ticks.map((tick) => html`<small key=${tick} style=${{ bottom: `${share(tick)}%` }}>${short(tick)}</small>`)}</div>
    <div class="area">${ticks.map((tick) => html`<hr key=${tick} style=${{ bottom: `${share(tick)}%` }} />`)}
      ${categories.map(
        (category, at) => html`<div key=${category} class=${stacked ? "bar-of stacked" : "bar-of"}>${pieces(series, at, stacked, share).map(
          ({ name, index, from, to, value }) => html`<i key=${name} class=${swatch(index)} style=${{ bottom: `${from}%`, height: `${Math.max(0, to - from)}%`, ...(!stacked && { left: `${10 + (index / series.length) * 80}%`, width: `${80 / series.length}%` }) }} title=${`${category}, ${name}: ${exact(value)}`}></i>`,
        )}</div>`,
      )}</div>
    <${Names} categories=${categories} />
  </div>`;

/** So many names below a picture as there is room for; days of one year are told without it. */
function labels(categories, most = 8) {
  const step = Math.max(1, Math.ceil(categories.length / most));
  const years = new Set(categories.map((text) => (/^\d{4}-\d\d-\d\d/.test(text) ? text.slice(0, 5) : text)));
  const [year] = years.size === 1 && categories.length > 1 ? years : [""];
  return categories
    .map((text, at) => ({ text: tidy(text.slice(year.length), 16), at }))
    .filter(({ at }) => at % step === 0)
    .map((one) => ({ ...one, style: { left: `${((one.at + 0.5) / categories.length) * 100}%`, "--wide": `${(step / categories.length) * 100}%` } }));
}

const Names = ({ categories }) => html`
  <div class="names quiet" aria-hidden="true">${labels(categories).map(({ text, at, style }) => html`<span key=${at} style=${style}>${text}</span>`)}</div>`;

const WIDE = 1000;
/** Lines from category to category; a gap where there is none. */
export function Lines({ visual, title }) {
  const { categories, series } = seriesOf(visual);
  const flat = series.flatMap(({ values }) => values).filter((value) => value !== null && value !== undefined);
  const ticks = ticksOf(Math.min(0, ...flat), Math.max(0, ...flat));
  const low = ticks[0],
    high = ticks[ticks.length - 1] === low ? low + 1 : ticks[ticks.length - 1];
  const share = (value) => ((value - low) / (high - low)) * 100;
  const x = (at) => ((at + 0.5) / categories.length) * WIDE;
  const path = (values) => {
    let pen = "M";
    return values
      .map((value, at) => {
        if (value === null || value === undefined) {
          pen = "M";
          return "";
        }
        const part = `${pen}${x(at).toFixed(1)} ${(HIGH - (share(value) / 100) * HIGH).toFixed(1)}`;
        pen = "L";
        return part;
      })
      .join("");
  };
  return html`
    <${Legend} series=${series} />
    <div class="standing" role="img" aria-label=${summary(title, visual.words, { categories, series })}>
      <div class="scale quiet">${ticks.map((tick) => html`<small key=${tick} style=${{ bottom: `${share(tick)}%` }}>${short(tick)}</small>`)}</div>
      <div class="area">${ticks.map((tick) => html`<hr key=${tick} style=${{ bottom: `${share(tick)}%` }} />`)}
        <svg viewBox=${`0 0 ${WIDE} ${HIGH}`} preserveAspectRatio="none" class="drawn" aria-hidden="true">${series.map(
          ({ name, values }, index) => html`<path key=${name} class=${`line ${swatch(index)}`} d=${path(values)} vector-effect="non-scaling-stroke"><title>${name}</title></path>`,
        )}</svg>
        ${categories.length <= 60 && series.map(({ name, values }, index) =>
          values.map((value, at) => value !== null && value !== undefined && html`<i key=${`${name}${at}`} class=${`dot ${swatch(index)}`} style=${{ left: `${x(at) / 10}%`, bottom: `${share(value)}%` }} title=${`${categories[at]}, ${name}: ${exact(value)}`}></i>`),
        )}</div>
    <${Names} categories=${categories} />
    </div>
    <${Numbers} columns=${visual.columns} categories=${categories} series=${series} />`;
}
