// Glue's crawlers: what each looks at, what its last crawl came to, and what it made of that.
import { ask, call } from "./api.js";
import { useLive } from "./events.js";
import { Table } from "./table.js";
import { Command, html, Notice, Status, Time } from "./ui.js";

const MOST = 100; // crawlers of one answer
const DONE = { TablesCreated: "made", TablesUpdated: "changed", TablesDeleted: "removed" };

/** "2 made, 1 removed" of a crawler's metrics. */
export const done = (metrics) =>
  Object.entries(DONE)
    .filter(([name]) => metrics[name])
    .map(([name, word]) => `${metrics[name]} ${word}`)
    .join(", ") || "none";

const paths = ({ Targets: { S3Targets = [] } }) => S3Targets.map((each) => each.Path).join(", ");

const COLUMNS = [
  ["Crawler", ({ Name }) => Name],
  ["State", ({ State }) => html`<${Status} value=${State} />`],
  ["Looks at", (crawler) => html`<code class="wrap">${paths(crawler)}</code>`],
  ["Database", ({ DatabaseName }) => DatabaseName],
  ["Last crawl", ({ LastCrawl: last }) => last && html`<${Status} value=${last.Status} detail=${last.ErrorMessage} />`],
  ["Tables", ({ LastCrawl, metrics }) => LastCrawl && done(metrics)],
  ["Schedule", ({ Schedule: each }) => each && each.State === "SCHEDULED" && each.ScheduleExpression],
  ["When", ({ LastCrawl: last }) => last && html`<${Time} value=${last.StartTime} />`],
];

async function look() {
  const { result, command } = await call("glue", "GetCrawlers", { MaxResults: MOST });
  const { CrawlerMetricsList: found } = await ask("glue", "GetCrawlerMetrics", { MaxResults: MOST });
  const metrics = Object.fromEntries(found.map((each) => [each.CrawlerName, each]));
  return { crawlers: result.Crawlers.map((each) => ({ ...each, metrics: metrics[each.Name] || {} })), command };
}

export function Crawlers() {
  const live = useLive(look, [], (event) => event.type === "resource" && event.kind === "glue-crawler");
  const rows = live.data ? live.data.crawlers : [];
  return html`
    <div class="bar"><h1 tabindex="-1">Crawlers</h1><button type="button" onClick=${live.reload}>Refresh</button></div>
    <${Notice} error=${live.error} />
    ${
      live.data &&
      (rows.length
        ? html`<div class="card flush"><${Table} caption="Crawlers" columns=${COLUMNS} rows=${rows} rowKey=${(row) => row.Name} /></div>`
        : html`<div class="empty"><p>Nobody has made a crawler.</p></div>`)
    }
    ${live.data && html`<details class="cli"><summary>AWS CLI</summary><${Command} text=${live.data.command} /></details>`}`;
}
