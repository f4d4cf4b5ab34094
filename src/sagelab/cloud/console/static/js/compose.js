// A dashboard of one query: run it, choose what is drawn of its columns, and have QuickSight's API keep that.
import { ask, facts } from "./api.js";
import { bytes } from "./format.js";
import { cost } from "./queries.js";
import { go } from "./router.js";
import { Table } from "./table.js";
import { html, Notice, Section, useState } from "./ui.js";

const PAUSES = [100, 200, 400, 800]; // ms between two looks at a query, and then each second
const KINDS = [
  ["bar", "Bars"],
  ["stacked", "Stacked bars"],
  ["line", "Lines"],
  ["number", "Number"],
  ["table", "Table"],
];
const SUMS = [
  ["SUM", "sum"],
  ["AVERAGE", "average"],
  ["MIN", "least"],
  ["MAX", "most"],
  ["COUNT", "count"],
  ["DISTINCT_COUNT", "how many different"],
];
const DATA = "data";

/** Athena's type of a column as QuickSight names it. */
export function typeOf(type) {
  if (/^(tinyint|smallint|integer|int|bigint)$/.test(type)) return "INTEGER";
  if (/^(double|float|real|decimal)/.test(type)) return "DECIMAL";
  if (/^(date|timestamp)/.test(type)) return "DATETIME";
  return type === "boolean" ? "BOOLEAN" : "STRING";
}

const isNumber = ({ type }) => type === "INTEGER" || type === "DECIMAL";

async function run(sql, WorkGroup) {
  const { QueryExecutionId } = await ask("athena", "StartQueryExecution", { QueryString: sql, WorkGroup });
  for (let turn = 0; ; turn++) {
    const { QueryExecution: query } = await ask("athena", "GetQueryExecution", { QueryExecutionId });
    const { State, StateChangeReason } = query.Status;
    if (State === "SUCCEEDED") {
      const { ResultSet } = await ask("athena", "GetQueryResults", { QueryExecutionId, MaxResults: 6 });
      const columns = ResultSet.ResultSetMetadata.ColumnInfo.map(({ Name, Type }) => ({ name: Name, type: typeOf(Type) }));
      const rows = ResultSet.Rows.slice(1).map(({ Data }) => Data.map(({ VarCharValue }) => VarCharValue ?? "–"));
      return { query, columns, rows };
    }
    if (State !== "QUEUED" && State !== "RUNNING")
      throw Object.assign(new Error(StateChangeReason), { code: State });
    await new Promise((resolve) => setTimeout(resolve, PAUSES[turn] || 1000));
  }
}

const id = (text) => text.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 60) || "dashboard";
const columnOf = (ColumnName) => ({ DataSetIdentifier: DATA, ColumnName });

function dimension(FieldId, column) {
  const kind = isNumber(column) ? "NumericalDimensionField" : column.type === "DATETIME" ? "DateDimensionField" : "CategoricalDimensionField";
  return { [kind]: { FieldId, Column: columnOf(column.name) } };
}

function measure(FieldId, column, sum) {
  if (isNumber(column))
    return { NumericalMeasureField: { FieldId, Column: columnOf(column.name), AggregationFunction: { SimpleNumericalAggregation: sum } } };
  const AggregationFunction = sum === "DISTINCT_COUNT" ? sum : "COUNT";
  return { CategoricalMeasureField: { FieldId, Column: columnOf(column.name), AggregationFunction } };
}

/** A panel as a visual of QuickSight's. columns: all of the query. */
export function visualOf({ kind, title, x, y, sum, series }, number, columns) {
  const of = (name) => columns.find((column) => column.name === name);
  const about = { VisualId: `panel-${number}`, Title: { FormatText: { PlainText: title } } };
  if (kind === "table") {
    const Values = columns.map(({ name }, index) => ({ FieldId: `c${index}`, Column: columnOf(name) }));
    return { TableVisual: { ...about, ChartConfiguration: { FieldWells: { TableUnaggregatedFieldWells: { Values } } } } };
  }
  const Values = [measure("y", of(y), sum)];
  if (kind === "number") return { KPIVisual: { ...about, ChartConfiguration: { FieldWells: { Values } } } };
  const wells = { Category: [dimension("x", of(x))], Values, ...(series && { Colors: [dimension("series", of(series))] }) };
  if (kind === "line")
    return { LineChartVisual: { ...about, ChartConfiguration: { FieldWells: { LineChartAggregatedFieldWells: wells } } } };
  const arranged = { Orientation: "VERTICAL", BarsArrangement: kind === "stacked" ? "STACKED" : "CLUSTERED" };
  return { BarChartVisual: { ...about, ChartConfiguration: { FieldWells: { BarChartAggregatedFieldWells: wells }, ...arranged } } };
}

async function keep(name, sql, workgroup, columns, panels) {
  const { account: AwsAccountId, region } = await facts();
  const source = `athena-${id(workgroup)}`,
    key = `${id(name)}-${Date.now().toString(36)}`;
  const arn = (kind, of) => `arn:aws:quicksight:${region}:${AwsAccountId}:${kind}/${of}`;
  await ask("quicksight", "CreateDataSource", {
    AwsAccountId,
    DataSourceId: source,
    Name: `Athena, workgroup ${workgroup}`,
    Type: "ATHENA",
    DataSourceParameters: { AthenaParameters: { WorkGroup: workgroup } },
  }).catch((error) => {
    if (error.code !== "ResourceExistsException") throw error;
  });
  const Columns = columns.map(({ name: Name, type: Type }) => ({ Name, Type }));
  await ask("quicksight", "CreateDataSet", {
    AwsAccountId,
    DataSetId: key,
    Name: name.slice(0, 128),
    ImportMode: "SPICE",
    PhysicalTableMap: { query: { CustomSql: { DataSourceArn: arn("datasource", source), Name: "query", SqlQuery: sql, Columns } } },
  });
  const Visuals = panels.map((panel, index) => visualOf(panel, index, columns));
  await ask("quicksight", "CreateDashboard", {
    AwsAccountId,
    DashboardId: key,
    Name: name,
    Definition: {
      DataSetIdentifierDeclarations: [{ Identifier: DATA, DataSetArn: arn("dataset", key) }],
      Sheets: [{ SheetId: "sheet", Name: name.slice(0, 1024), Visuals }],
    },
  });
  return key;
}

/** The panel that fits a query's columns: bars by the first that is no number, of the first that is one. */
function guess(columns) {
  const y = columns.find(isNumber) || columns[0];
  const x = columns.find((column) => column !== y && !isNumber(column)) || columns.find((column) => column !== y);
  const kind = !x ? "number" : x.type === "DATETIME" ? "line" : "bar";
  return { kind, title: "", x: (x || y).name, y: y.name, sum: isNumber(y) ? "SUM" : "COUNT", series: "" };
}

/** query: sql and workgroup to begin with. */
export function Compose({ query: { sql = "", workgroup = "primary" } }) {
  const [form, set] = useState({ name: "", workgroup, sql });
  const [found, show] = useState(null);
  const [panels, setPanels] = useState([]);
  const [error, fail] = useState(null);
  const [busy, work] = useState(false);
  const change = (member) => (event) => set({ ...form, [member]: event.target.value });
  const act = async (event, doing) => {
    event.preventDefault();
    work(true);
    fail(null);
    try {
      await doing();
    } catch (refused) {
      fail(refused);
    }
    work(false);
  };
  const look = async () => {
    const answered = await run(form.sql, form.workgroup);
    show({ ...answered, sql: form.sql });
    setPanels([guess(answered.columns)]);
  };
  const make = async () => {
    const titled = panels.map((panel) => ({ ...panel, title: panel.title || titleOf(panel) }));
    go(`/dashboards/${await keep(form.name, found.sql, form.workgroup, found.columns, titled)}`);
  };
  const edit = (index, panel) => setPanels(panels.map((each, at) => (at === index ? panel : each)));
  return html`
    <nav class="crumbs" aria-label="Where you are"><a href="/dashboards">Dashboards</a></nav>
    <div class="bar"><h1 tabindex="-1">Create dashboard</h1></div>
    <${Notice} error=${error} />
    <form class="card form wide" onSubmit=${(event) => act(event, look)}>
      <label class="field">Query<textarea rows="6" required spellcheck=${false} placeholder="SELECT day, topic, count(*) AS clicks FROM lake.clicks GROUP BY day, topic" value=${form.sql} onInput=${change("sql")}></textarea>
        <small>Athena's SQL; name tables as database.table.</small></label>
      <label class="field">Workgroup<input required value=${form.workgroup} onInput=${change("workgroup")} /></label>
      <div class="actions end"><button type="submit" disabled=${busy}>${busy ? "Running …" : "Run query"}</button></div>
    </form>
    ${
      found &&
      html`<${Section} title="What it finds" aside=${html`<span class="quiet">${bytes((found.query.Statistics || {}).DataScannedInBytes || 0)} read, $${cost(found.query).toFixed(6)} on AWS</span>`}>
        <div class="scroll" tabindex="0" role="region" aria-label="The first rows"><${Table} caption="The first rows" rowKey=${(row) => found.rows.indexOf(row)} rows=${found.rows}
          columns=${found.columns.map(({ name, type }, index) => [`${name} (${type.toLowerCase()})`, (row) => row[index]])} /></div><//>
      <form class="card form wide" onSubmit=${(event) => act(event, make)}>
        <label class="field">Name<input required maxlength="128" value=${form.name} onInput=${change("name")} autocomplete="off" /></label>
        ${panels.map((panel, index) => html`<${Panel} key=${index} panel=${panel} columns=${found.columns} change=${(next) => edit(index, next)}
          remove=${panels.length > 1 && (() => setPanels(panels.filter((_, at) => at !== index)))} />`)}
        <div class="actions end"><button type="button" onClick=${() => setPanels([...panels, guess(found.columns)])}>Add panel</button>
          <button type="submit" class="primary" disabled=${busy}>Create dashboard</button></div>
      </form>`
    }`;
}

const titleOf = ({ kind, x, y, sum, series }) =>
  kind === "table" ? "All rows" : `${SUMS.find(([each]) => each === sum)[1]} of ${y}${kind === "number" ? "" : ` by ${x}${series ? ` and ${series}` : ""}`}`;

function Panel({ panel, columns, change, remove }) {
  const field = (label, member, options) => html`
    <label class="field">${label}<select value=${panel[member]} onChange=${(event) => change({ ...panel, [member]: event.target.value })}>${options.map(
      ([value, words]) => html`<option key=${value} value=${value}>${words}</option>`,
    )}</select></label>`;
  const names = columns.map(({ name }) => [name, name]);
  const summed = columns.find(({ name }) => name === panel.y);
  const drawn = panel.kind !== "table",
    axes = drawn && panel.kind !== "number";
  return html`
    <fieldset class="fields"><legend>Panel</legend>
      ${field("Chart", "kind", KINDS)}
      ${axes && field("Across", "x", names)}
      ${drawn && field("Value", "y", names)}
      ${drawn && field("Summed as", "sum", summed && isNumber(summed) ? SUMS : SUMS.slice(4))}
      ${axes && field("Series", "series", [["", "none"], ...names])}
      <label class="field">Title<input value=${panel.title} placeholder=${titleOf(panel)} onInput=${(event) => change({ ...panel, title: event.target.value })} /></label>
      ${remove && html`<button type="button" class="small" onClick=${remove}>Remove</button>`}
    </fieldset>`;
}
