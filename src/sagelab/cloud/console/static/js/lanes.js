// When which task ran on which executor: a lane for each, bars for tasks, the end of what was lost.
import { clock, plural, span } from "./format.js";
import { html, Section } from "./ui.js";

const WIDE = 1000, // units
  ROW = 8, // px
  ROWS = 16, // of a lane; more tasks at once than that share the last
  LEAST = 1.5; // units that a bar has
const WORDS = { done: "done", failed: "failed", killed: "killed", running: "running" };

/** Bars of one executor, each with the row in which nothing else is meanwhile. */
function placed(bars, until) {
  const ends = [];
  return bars.map((bar) => {
    let row = ends.findIndex((end) => end <= bar[1]);
    if (row < 0) row = Math.min(ends.length, ROWS - 1);
    ends[row] = bar[2] ?? until;
    return [bar, row];
  });
}

export function Lanes({ told, lost }) {
  const { application: app, bars, latest, tasks } = told;
  const from = Math.min(...[app.started, ...bars.map((bar) => bar[1])].filter(Boolean)),
    until = Math.max(latest, from + 1);
  const x = (at) => (Math.min(Math.max(at - from, 0), until - from) / (until - from)) * WIDE;
  const of = new Map(told.executors.map(({ id }) => [id, []]));
  bars.forEach((bar) => of.get(bar[0])?.push(bar));
  const known = told.executors.filter(({ id }) => of.get(id).length || id !== "driver");
  if (!known.length) return null;
  return html`
    <${Section} title="Executors and their tasks" aside=${html`<span class="legend quiet">${Object.keys(WORDS).map(
      (state) => html`<span key=${state}><i class=${`swatch ${state}`} aria-hidden="true"></i>${WORDS[state]}</span>`,
    )}</span>`}>
      ${known.map((one) => html`<${Lane} key=${one.id} one=${one} bars=${of.get(one.id)} lost=${lost.includes(one)} x=${x} until=${until} />`)}
      <div class="ruler quiet" aria-hidden="true"><span>${clock(from)}</span><span>${span((until - from) / 2)}</span><span>${span(until - from)}</span></div>
      ${bars.length < tasks && html`<p class="quiet">${plural(bars.length, "task")} of ${tasks.toLocaleString()} are drawn: those that failed, and the longest of the others.</p>`}
    <//>`;
}

function Lane({ one, bars, lost, x, until }) {
  const rows = placed(bars, until);
  const high = ROW * Math.max(1, ...rows.map(([, row]) => row + 1));
  const { done, failed, killed } = one.work;
  const words = `Executor ${one.id} on ${one.host}: ${plural(done, "task")} done, ${failed} failed, ${killed} killed${lost ? `, lost at ${clock(one.removed)}: ${one.reason}` : ""}`;
  return html`
    <div class="lane">
      <div><b>${one.id}</b> <span class="quiet wrap">${one.host}</span></div>
      <svg viewBox=${`0 0 ${WIDE} ${high}`} preserveAspectRatio="none" height=${high + 4} role="img" aria-label=${words}>
        <rect class="life" x=${x(one.added)} width=${Math.max(LEAST, x(one.removed || until) - x(one.added))} y="0" height=${high} />
        ${rows.map(
          ([[, since, end, state, stage, task, attempt, why], row], index) => html`
          <rect key=${index} class=${state} x=${x(since)} width=${Math.max(LEAST, x(end ?? until) - x(since))} y=${row * ROW + 0.5} height=${ROW - 1}>
            <title>${`Stage ${stage}, task ${task}${attempt ? `, attempt ${attempt}` : ""}: ${WORDS[state]}, ${span((end ?? until) - since)}${why ? `. ${why}` : ""}`}</title></rect>`,
        )}
        ${lost && html`<rect class="lost" x=${Math.min(x(one.removed), WIDE - 3)} width="3" y="0" height=${high}><title>${`Lost at ${clock(one.removed)}: ${one.reason}`}</title></rect>`}
      </svg>
      ${lost && html`<p class="bad"><strong>Lost</strong> at ${clock(one.removed)}: ${one.reason}</p>`}
    </div>`;
}
