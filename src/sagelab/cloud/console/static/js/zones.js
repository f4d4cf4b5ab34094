// The zones of availability in which servers of endpoints stand, and the command that takes one away.
import { local } from "./api.js";
import { useLive, usePolls } from "./events.js";
import { Table } from "./table.js";
import { Command, html, Notice, Section, Status } from "./ui.js";

const COLUMNS = [
  ["Zone", (zone) => zone.name],
  ["State", (zone) => html`<${Status} value=${zone.up ? "Up" : "Down"} />`],
  ["Servers", (zone) => zone.servers],
];

export function Zones({ item, name }) {
  const placed = (item.ProductionVariants || []).some((each) => each.CurrentInstanceCount !== undefined);
  return placed && html`<${Places} name=${name} />`;
}

function Places({ name }) {
  const live = useLive(() => local(), [name], (event) => event.type === "resource" && event.name === name);
  usePolls(live.reload);
  const zones = live.data ? live.data.zones : [];
  const taken = zones.find((zone) => zone.servers > 0) || zones[0];
  return html`
    <${Section} title="Zones" aside=${html`<span class="quiet">servers of all endpoints</span>`}>
      <${Notice} error=${live.error} />
      <${Table} caption="Zones" columns=${COLUMNS} rows=${zones} rowKey=${(zone) => zone.name} />
      ${taken && html`<details class="cli"><summary>Take one away</summary><${Command} text=${`sagelab zone down ${taken.name}`} /></details>`}
    <//>`;
}
