// The list of one kind: the API's own filters, order and pages, so that ten thousand cost what ten do.
import { call } from "./api.js";
import { useLive } from "./events.js";
import { link, statusCell } from "./kinds.js";
import { setQuery } from "./router.js";
import { Table, turned } from "./table.js";
import { Command, html, Notice, useEffect, useState } from "./ui.js";

const PAGE = 50;
const TYPING = 200; // ms without a key after which a search begins

function request(kind, query, token) {
  const params = { MaxResults: PAGE, SortBy: query.by || "CreationTime", SortOrder: query.order || "Descending" };
  if (query.q) params.NameContains = query.q;
  if (query.status) params.StatusEquals = query.status;
  if (token) params.NextToken = token;
  return call("sagemaker", kind.list.operation, params);
}

export function List({ kind, query }) {
  const [tokens, setTokens] = useState([]);
  const { q = "", status = "", by = "CreationTime", order = "Descending" } = query;
  const filters = [kind.path, q, status, by, order].join(" ");
  useEffect(() => setTokens([]), [filters]);
  const token = tokens[tokens.length - 1];
  const about = (event) =>
    event.type === "resource" && (event.kind === kind.arn || (kind.also || []).includes(event.kind));
  const live = useLive(
    () => request(kind, query, token),
    [filters, token],
    (event) => {
      if (about(event) && event.status) live.patch((data) => withStatus(kind, data, event));
      return about(event);
    },
  );
  const found = live.data && live.data.result;
  const rows = (found && found[kind.list.items]) || [];
  const columns = [
    ["Name", (row) => link(kind.path, kind.name(row)), "Name"],
    ...(kind.list.statuses ? [["Status", (row) => statusCell(kind, row), "Status"]] : []),
    ...kind.columns,
  ];
  return html`
    <div class="bar">
      <h1 tabindex="-1">${kind.title}</h1>
      <div class="actions"><button type="button" onClick=${live.reload}>Refresh</button>
        ${kind.form && html`<a class="button primary" href=${`/${kind.path}/?create=1`}>Create ${kind.one}</a>`}</div>
    </div>
    <${Filters} kind=${kind} query=${query} />
    <${Notice} error=${live.error} />
    ${
      found &&
      (rows.length
        ? html`<div class="card flush" aria-busy=${live.loading}><${Table} caption=${kind.title} columns=${columns} rows=${rows}
          rowKey=${(row) => kind.name(row)} sort=${{ by, order }}
          onSort=${(key) => setQuery(turned({ by, order }, key))} /></div>`
        : html`<${Nothing} kind=${kind} filtered=${Boolean(q || status)} />`)
    }
    ${found && html`<${Pages} page=${tokens.length} next=${found.NextToken} tokens=${tokens} setTokens=${setTokens} count=${rows.length} />`}
    ${live.data && html`<details class="cli"><summary>AWS CLI</summary><${Command} text=${live.data.command} /></details>`}`;
}

function withStatus(kind, data, event) {
  const { items } = kind.list;
  const rows = data.result[items].map((row) =>
    kind.name(row) === event.name && kind.arn === event.kind
      ? { ...row, [kind.statusMember]: event.status }
      : row,
  );
  return { ...data, result: { ...data.result, [items]: rows } };
}

function Filters({ kind, query }) {
  const [text, set] = useState(query.q || "");
  useEffect(() => set(query.q || ""), [kind.path, query.q]);
  useEffect(() => {
    if (text === (query.q || "")) return undefined;
    const timer = setTimeout(() => setQuery({ q: text }), TYPING);
    return () => clearTimeout(timer);
  }, [text]);
  return html`
    <form class="filters" role="search" onSubmit=${(event) => event.preventDefault()}>
      <label><span class="hidden">Search by name</span>
        <input type="search" placeholder="Search by name" value=${text} onInput=${(event) => set(event.target.value)} /></label>
      ${
        kind.list.statuses &&
        html`<label><span class="hidden">Status</span>
        <select value=${query.status || ""} onChange=${(event) => setQuery({ status: event.target.value })}>
          <option value="">Any status</option>
          ${kind.list.statuses.map((each) => html`<option key=${each} value=${each}>${each}</option>`)}
        </select></label>`
      }
    </form>`;
}

const Nothing = ({ kind, filtered }) => html`
  <div class="empty"><p>${
    filtered
      ? `No ${kind.one} has this name and status.`
      : `There is no ${kind.one} yet. One that a notebook, an SDK or the AWS CLI makes appears here by itself.`
  }</p></div>`;

function Pages({ page, next, tokens, setTokens, count }) {
  if (!page && !next) return null;
  const first = page * PAGE + 1;
  return html`
    <nav class="pages" aria-label="Pages">
      <button type="button" disabled=${!page} onClick=${() => setTokens(tokens.slice(0, -1))}>Previous</button>
      <span>${count ? `${first} to ${first + count - 1}` : ""}</span>
      <button type="button" disabled=${!next} onClick=${() => setTokens([...tokens, next])}>Next</button>
    </nav>`;
}
