// A chart of lines over time. uPlot draws it; it is loaded when the first chart is.
import { clock, number } from "./format.js";
import { html, useEffect, useLayoutEffect, useRef, useState } from "./ui.js";

let loading;
function load() {
  loading ??= new Promise((resolve, reject) => {
    const style = Object.assign(document.createElement("link"), {
      rel: "stylesheet",
      href: "/static/vendor/uplot.css",
    });
    const script = Object.assign(document.createElement("script"), {
      src: "/static/vendor/uplot.js",
      onload: () => resolve(window.uPlot),
      onerror: reject,
    });
    document.head.append(style, script);
  });
  return loading;
}

const themes = matchMedia("(prefers-color-scheme: dark)");
/** Changes whenever the colours of the page do. */
function useTheme() {
  const [turn, set] = useState(0);
  useEffect(() => {
    const act = () => set((before) => before + 1);
    const watch = new MutationObserver(act);
    watch.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    themes.addEventListener("change", act);
    return () => {
      watch.disconnect();
      themes.removeEventListener("change", act);
    };
  }, []);
  return turn;
}

const HEIGHT = 180;
const FEW = 120; // points; so many are dots on the line
const DASHES = [undefined, [6, 4], [2, 3]];

/** Upright lines with a few words at their top. */
function drawMarks({ ctx, bbox, valToPos }, marks) {
  const style = getComputedStyle(document.documentElement);
  const ratio = devicePixelRatio || 1;
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = style.getPropertyValue("--muted").trim();
  ctx.setLineDash([3 * ratio, 3 * ratio]);
  ctx.font = `${11 * ratio}px system-ui`;
  marks.forEach(([at, text]) => {
    const x = valToPos(at, "x", true);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    const wide = ctx.measureText(text).width + 4 * ratio;
    const beside = x + wide > bbox.left + bbox.width ? x - wide : x + 4 * ratio;
    ctx.fillText(text, beside, bbox.top + 11 * ratio);
  });
  ctx.restore();
}

/** A scale of whole numbers from 0, with room above the largest. */
const counting = (high) => [0, Math.max(1, high ?? 1) + 1];
const wholes = (ticks) => ticks.map((each) => (Number.isInteger(each) ? String(each) : null));

function options(uPlot, { series, elapsed, format, range, whole, right }, width) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const axis = {
    stroke: colour("muted"),
    grid: { stroke: colour("line"), width: 1 },
    ticks: { stroke: colour("line"), width: 1 },
    font: "12px system-ui",
  };
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    ...(right && { padding: [null, right, null, null] }),
    cursor: { y: false, points: { size: 7 } },
    scales: {
      x: { time: !elapsed, ...(range && { range: () => range() }) },
      y: { range: (_, low, high) => (whole ? counting(high) : padded(uPlot, low, high)) },
    },
    axes: [
      {
        ...axis,
        size: 30,
        space: elapsed ? 56 : 84,
        values: (_, ticks) => ticks.map(elapsed ? (each) => `${number(each)} s` : (each) => clock(each * 1000)),
      },
      { ...axis, size: 58, values: (_, ticks) => (whole ? wholes(ticks) : ticks.map(format)) },
    ],
    series: [
      {},
      ...series.map((each, index) => ({
        label: each.label,
        stroke: colour(`chart-${(index % 4) + 1}`),
        dash: DASHES[index % DASHES.length],
        width: 2,
        ...(each.stepped && { paths: uPlot.paths.stepped({ align: 1 }) }),
        points: { show: !each.stepped && each.points.length < FEW, size: 5 },
      })),
    ],
    hooks: {},
  };
}

const padded = (uPlot, low, high) =>
  low === null
    ? [0, 1]
    : low === high
      ? [low - Math.abs(low || 1) * 0.1, high + Math.abs(high || 1) * 0.1]
      : uPlot.rangeNum(low, high, 0.1, true);

function table(uPlot, series) {
  const columns = series.map(({ points }) => [points.map((point) => point[0]), points.map((point) => point[1])]);
  return columns.length > 1 ? uPlot.join(columns) : columns[0];
}

const lastOf = ({ last, points }) => last ?? (points.length ? points[points.length - 1][1] : undefined);

/**
 * series: [{label, points: [[x, y]], last, stepped}], x in seconds, y null where the line breaks, last: the value in
 * the caption, else the last point's. marks: [[x, words]], upright lines. whole: y counts things. right: px beside
 * the plot, for what is to stand under it. elapsed: since a beginning, not since the epoch.
 * format: y -> text. range: [from, to] of x, else all there is. title is said aloud with the last values.
 */
export function Chart({ title, series, elapsed = false, format = number, range, marks = [], whole, right }) {
  const box = useRef();
  const plot = useRef(null);
  const [at, point] = useState(null);
  const turn = useTheme();
  const seen = useRef(range);
  seen.current = range;
  const marked = useRef(marks);
  marked.current = marks;
  const shape =
    series.map((each) => each.label).join("|") + (series.some((each) => each.points.length < FEW) ? "" : "-many");
  useLayoutEffect(() => {
    let gone = false;
    let watch;
    load().then((uPlot) => {
      if (gone) return;
      const shown = { series, elapsed, format, range: range && (() => seen.current), whole, right };
      const settings = options(uPlot, shown, box.current.clientWidth);
      settings.hooks.draw = [(chart) => drawMarks(chart, marked.current)];
      settings.hooks.setCursor = [(chart) => point(chart.cursor.idx)];
      plot.current = new uPlot(settings, table(uPlot, series), box.current);
      watch = new ResizeObserver(
        () => plot.current && plot.current.setSize({ width: box.current.clientWidth, height: HEIGHT }),
      );
      watch.observe(box.current);
    });
    return () => {
      gone = true;
      if (watch) watch.disconnect();
      if (plot.current) plot.current.destroy();
      plot.current = null;
    };
  }, [shape, turn, elapsed]);
  useEffect(() => {
    if (plot.current) plot.current.setData(table(window.uPlot, series));
  });
  const shown = (each, index) => {
    const data = plot.current && at !== null && at !== undefined ? plot.current.data[index + 1][at] : undefined;
    return data ?? lastOf(each);
  };
  const words = series.map((each) => `${each.label} ${format(lastOf(each))}`).join(", ");
  return html`
    <figure class="chart">
      <figcaption><strong>${title}</strong>${series.map(
        (each, index) => html`
        <span key=${each.label} class=${`mark chart-${(index % 4) + 1}`}><i aria-hidden="true"></i>${each.label} <b>${format(shown(each, index))}</b></span>`,
      )}
      </figcaption>
      <div ref=${box} role="img" aria-label=${`${title}: ${words}`}></div>
    </figure>`;
}
