// What is a part of a resource: the executions of a pipeline, the versions of a group.
import { call } from "./api.js";
import { useLive } from "./events.js";
import { partsOf, statusCell } from "./kinds.js";
import { Table } from "./table.js";
import { html, Notice, Section, Time } from "./ui.js";

const MOST = 50;

export function Parts({ kind, name }) {
  return partsOf(kind).map((part) => html`<${PartsOfKind} key=${part.path} kind=${part} owner=${kind} name=${name} />`);
}

function PartsOfKind({ kind, owner, name }) {
  const params = { [owner.nameMember]: name, SortOrder: "Descending", MaxResults: MOST };
  const live = useLive(
    () => call("sagemaker", kind.list.operation, params),
    [name],
    (event) => event.type === "resource" && event.kind === kind.arn,
  );
  const rows = (live.data && live.data.result[kind.list.items]) || [];
  const columns = [
    ["Name", (row) => html`<a href=${kind.address(kind.name(row))}>${kind.label(row)}</a>`],
    ["Status", (row) => statusCell(kind, row)],
    ...(kind.told || []),
    ["Created", (row) => html`<${Time} value=${row.CreationTime || row.StartTime} />`],
  ];
  return html`
    <${Section} title=${kind.title}>
      <${Notice} error=${live.error} />
      ${
        rows.length
          ? html`<${Table} caption=${kind.title} columns=${columns} rows=${rows} rowKey=${(row) => kind.name(row)} />`
          : live.data && html`<p class="quiet">None yet.</p>`
      }
    <//>`;
}
