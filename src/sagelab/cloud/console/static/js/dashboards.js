// Dashboards in QuickSight's place: what its API keeps is drawn here, over rows that Athena has found.
import { ask, call, dashboard, facts } from "./api.js";
import { Bars, Lines } from "./drawings.js";
import { useLive } from "./events.js";
import { bytes, number, plural } from "./format.js";
import { cost } from "./queries.js";
import { Table } from "./table.js";
import { Command, html, Notice, Section, Status, Time, useState } from "./ui.js";

const concerns = (event) => event.type === "resource" && event.kind.startsWith("quicksight-");
const address = (id) => `/dashboards/${encodeURIComponent(id)}`;
const COLUMNS = [
  ["Dashboard", (row) => html`<a href=${address(row.DashboardId)}>${row.Name}</a>`],
  ["Id", (row) => html`<code class="wrap">${row.DashboardId}</code>`],
  ["Version", (row) => row.PublishedVersionNumber],
  ["Created", (row) => html`<${Time} value=${row.CreatedTime} />`],
  ["Published", (row) => html`<${Time} value=${row.LastPublishedTime} />`],
];
const PLACE = html`<p class="quiet">They stand in the place of QuickSight's pages. Its API keeps them (<code>CreateDashboard</code>), with the
  charts that can be drawn here: bars, lines, numbers and tables over data sets that Athena fills.</p>`;

export function Dashboards() {
  const live = useLive(
    async () => call("quicksight", "ListDashboards", { AwsAccountId: (await facts()).account }),
    [],
    concerns,
  );
  const rows = live.data ? live.data.result.DashboardSummaryList : [];
  return html`
    <div class="bar"><h1 tabindex="-1">Dashboards</h1><div class="actions"><button type="button" onClick=${live.reload}>Refresh</button>
      <a class="button primary" href="/dashboards?create=yes">Create dashboard</a></div></div>
    ${PLACE}
    <${Notice} error=${live.error} />
    ${
      live.data &&
      (rows.length
        ? html`<div class="card flush"><${Table} caption="Dashboards" columns=${COLUMNS} rows=${rows} rowKey=${(row) => row.DashboardId} /></div>`
        : html`<div class="empty"><p>There is no dashboard yet. One is made of a query of Athena, here or by QuickSight's API.</p></div>`)
    }
    ${live.data && html`<details class="cli"><summary>AWS CLI</summary><${Command} text=${live.data.command} /></details>`}`;
}

const GOING = ["INITIALIZED", "QUEUED", "RUNNING"];

/** The drawing, and of each of its data sets the last ingestion and the query that answered it. */
async function look(name) {
  const [{ account: AwsAccountId }, found] = await Promise.all([facts(), dashboard(name)]);
  const sets = await Promise.all(
    Object.values(found.data).map(async ({ id, query, at }) => {
      const [listed, asked] = await Promise.all([
        ask("quicksight", "ListIngestions", { AwsAccountId, DataSetId: id, MaxResults: 1 }).catch((error) => ({ error })),
        query ? ask("athena", "BatchGetQueryExecution", { QueryExecutionIds: [query] }) : {},
      ]);
      return { id, at, error: listed.error, last: (listed.Ingestions || [])[0], query: (asked.QueryExecutions || [])[0] };
    }),
  );
  return { ...found, sets, account: AwsAccountId };
}

export function Dashboard({ name }) {
  const live = useLive(() => look(name), [name], concerns);
  const [refused, refuse] = useState(null);
  const found = live.data;
  const going = found && found.sets.some(({ last }) => last && GOING.includes(last.IngestionStatus));
  const refresh = () => {
    refuse(null);
    const key = `console-${Date.now()}`;
    Promise.all(
      found.sets.map(({ id }) =>
        ask("quicksight", "CreateIngestion", { AwsAccountId: found.account, DataSetId: id, IngestionId: key }),
      ),
    ).catch(refuse);
  };
  return html`
    <nav class="crumbs" aria-label="Where you are"><a href="/dashboards">Dashboards</a></nav>
    <div class="bar"><h1 tabindex="-1" class="wrap">${found ? found.name : name}</h1>
      ${found && html`<div class="actions"><button type="button" class="primary" disabled=${going} onClick=${refresh}>${going ? "Asking Athena …" : "Refresh data"}</button></div>`}</div>
    <${Notice} error=${live.error || refused} />
    ${
      found &&
      html`
      ${found.sheets.map(
        (sheet, index) => html`
        ${found.sheets.length > 1 && html`<h2 class="sheet">${sheet.name}</h2>`}
        ${sheet.description && html`<p class="quiet">${sheet.description}</p>`}
        <div class="panels" key=${index}>${sheet.visuals.map((visual) => html`<${Panel} key=${visual.id} visual=${visual} />`)}</div>`,
      )}
      <${Section} title="Data"><${Table} caption="Data sets" columns=${SETS.filter(([, , tells]) => !tells || found.sets.some(tells)).map(([label, value]) => [label, value])} rows=${found.sets} rowKey=${({ id }) => id} />
      <//>
      <p class="quiet">In the place of QuickSight's page. A refresh runs each query anew by Athena, with your rights; what it found is kept and drawn until the next.</p>`
    }`;
}

const SETS = [
  ["Data set", ({ id }) => html`<code class="wrap">${id}</code>`],
  ["Last refresh", ({ last, error }) => (error ? html`<${Status} value="FAILED" detail=${error.message} />` : last && html`<${Status} value=${last.IngestionStatus} />`)],
  ["Rows", ({ last }) => last && last.RowInfo && `${last.RowInfo.RowsIngested.toLocaleString()}${last.RowInfo.RowsDropped ? `, ${last.RowInfo.RowsDropped.toLocaleString()} dropped` : ""}`],
  ["Why it failed", ({ last }) => last && last.ErrorInfo && html`<span class="wrap"><code>${last.ErrorInfo.Type}</code> ${last.ErrorInfo.Message}</span>`, ({ last }) => last && last.ErrorInfo],
  ["Query", ({ query }) => query && html`<code class="wrap" title=${query.QueryExecutionId}>${query.Query.slice(0, 300)}</code>`],
  ["Read", ({ query }) => query && html`<span class="nowrap">${bytes((query.Statistics || {}).DataScannedInBytes || 0)}</span>`],
  ["On AWS", ({ query }) => query && html`<span class="nowrap">$${cost(query).toFixed(6)}</span>`],
  ["Data of", ({ at }) => at && html`<${Time} value=${at} />`],
];

const COLUMN = 36; // columns of QuickSight's grid
/** Where a visual stands: by its element of the grid, else half a row. */
function placeOf({ place, kind }) {
  if (!place) return { gridColumn: `span ${kind === "KPIVisual" ? 9 : 18}` };
  const { ColumnIndex: left, ColumnSpan: wide, RowIndex: top, RowSpan: high } = place;
  const column = left === undefined ? `span ${wide}` : `${left + 1} / span ${Math.min(wide, COLUMN - left)}`;
  return { gridColumn: column, ...(top !== undefined && { gridRow: `${top + 1} / span ${high}` }) };
}

function Panel({ visual }) {
  const title = visual.title || (visual.columns || []).map(({ name }) => name).join(", ");
  const empty = visual.rows && !visual.rows.length;
  return html`
    <section class="card panel" aria-label=${title} style=${placeOf(visual)}>
      <header><h2>${title}</h2></header>
      ${visual.subtitle && html`<p class="quiet">${visual.subtitle}</p>`}
      ${
        visual.error
          ? html`<p class="notice warn">${visual.error}</p>`
          : empty
            ? html`<p class="quiet">Its query has found no rows.</p>`
            : html`<${DRAWN[visual.kind]} visual=${visual} title=${title} />`
      }
      ${visual.more && html`<p class="quiet">The first ${plural(visual.rows.length, "row")} are shown.</p>`}
    </section>`;
}

const cell = (value, { type }) =>
  value === null ? html`<span class="quiet">–</span>` : typeof value === "number" && type === "DECIMAL" ? number(value) : typeof value === "number" ? value.toLocaleString() : String(value);

const Kpi = ({ visual: { columns, rows, words } }) => html`
  <p class="kpi" aria-label=${words}><strong>${cell(rows[0][0], { type: Number.isInteger(rows[0][0]) ? "INTEGER" : columns[0].type })}</strong> <span class="quiet">${columns[0].name}</span></p>`;

const Grid = ({ visual: { columns, rows }, title }) => html`
  <div class="scroll" tabindex="0" role="region" aria-label=${title}><${Table} caption=${title} rowKey=${(row) => rows.indexOf(row)}
    columns=${columns.map((column, index) => [column.name, (row) => cell(row[index], Number.isInteger(row[index]) ? { type: "INTEGER" } : column)])} rows=${rows} /></div>`;

const DRAWN = { BarChartVisual: Bars, LineChartVisual: Lines, KPIVisual: Kpi, TableVisual: Grid };
