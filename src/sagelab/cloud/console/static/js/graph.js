// An execution of a pipeline as it goes: its steps, coloured by status, each a link to its job, and what needs what.
import { ask } from "./api.js";
import { useLive } from "./events.js";
import { addressOf } from "./kinds.js";
import { Table } from "./table.js";
import { html, Notice, Section, Span, Status, tone } from "./ui.js";

const WIDE = 200; // of a step, and the rest of what the drawing measures
const HIGH = 46;
const ACROSS = 24;
const DOWN = 44;
const LETTERS = 22; // of a name that fit in a step

/** The steps of a definition, those in the branches of its conditions too: {name, type, needs: [[step, words]]}. */
function stepsOf(list, branch) {
  return (list || []).flatMap((step) => {
    const { Conditions, IfSteps, ElseSteps, ...rest } = step.Arguments || {};
    const needs = new Map((step.DependsOn || []).map((name) => [name, ""]));
    const text = JSON.stringify([rest, Conditions, step.SqsQueueUrl]);
    for (const [, name] of text.matchAll(/"Get":"Steps\.([A-Za-z0-9-]+)/g)) needs.set(name, "");
    if (branch) needs.set(...branch);
    return [
      { name: step.Name, type: step.Type, needs: [...needs] },
      ...stepsOf(IfSteps, [step.Name, "true"]),
      ...stepsOf(ElseSteps, [step.Name, "false"]),
    ];
  });
}

/** Each step with the needs alone that no other of its needs has already: one line where there is a longer way. */
function direct(steps) {
  const byName = new Map(steps.map((step) => [step.name, step]));
  const above = new Map();
  const aboveOf = (name) => {
    if (!above.has(name)) {
      const found = new Set();
      above.set(name, found);
      for (const [need] of byName.get(name)?.needs || []) {
        found.add(need);
        aboveOf(need).forEach((each) => found.add(each));
      }
    }
    return above.get(name);
  };
  return steps.map((step) => ({
    ...step,
    needs: step.needs.filter(([name]) => !step.needs.some(([other]) => aboveOf(other).has(name))),
  }));
}

/** Each step's place: as far down as the longest way to it, side by side with those that are as far. */
function placed(steps) {
  const byName = new Map(steps.map((step) => [step.name, step]));
  const depth = new Map();
  const depthOf = (name) => {
    if (!byName.has(name)) return -1;
    if (!depth.has(name)) {
      depth.set(name, 0);
      depth.set(name, 1 + Math.max(-1, ...byName.get(name).needs.map(([each]) => depthOf(each))));
    }
    return depth.get(name);
  };
  const rows = [];
  for (const step of steps) (rows[depthOf(step.name)] ||= []).push(step);
  const most = Math.max(...rows.map((row) => row.length));
  const wide = most * (WIDE + ACROSS) + ACROSS;
  const places = new Map();
  rows.forEach((row, down) => {
    row.forEach((step, index) => {
      const x = (wide - row.length * (WIDE + ACROSS) + ACROSS) / 2 + index * (WIDE + ACROSS);
      places.set(step.name, { x, y: ACROSS / 2 + down * (HIGH + DOWN) });
    });
  });
  return { places, wide, high: rows.length * (HIGH + DOWN) - DOWN + ACROSS };
}

const arnIn = (metadata) => Object.values(metadata || {}).find((each) => each.Arn)?.Arn;
const short = (name) => (name.length > LETTERS ? `${name.slice(0, LETTERS - 1)}…` : name);

function Step({ step, place, found }) {
  const status = found ? found.StepStatus : "Not started";
  const words = found && found.CacheHitResult ? `${status} (cache)` : status;
  const address = found && addressOf(arnIn(found.Metadata));
  const box = html`
    <g class=${`step ${found ? tone(status) : "none"}`} transform=${`translate(${place.x} ${place.y})`}>
      <title>${`${step.name}: ${words}`}</title>
      <rect width=${WIDE} height=${HIGH} rx="8" />
      <text x="12" y="19" class="name">${short(step.name)}</text>
      <text x="12" y="36">${`${step.type} · ${words}`}</text>
    </g>`;
  return address ? html`<a href=${address}>${box}</a>` : box;
}

function Line({ from, to, words, taken }) {
  const [x1, y1, x2, y2] = [from.x + WIDE / 2, from.y + HIGH, to.x + WIDE / 2, to.y];
  const middle = (y1 + y2) / 2;
  return html`
    <path class=${taken ? "line taken" : "line"} d=${`M${x1} ${y1}C${x1} ${middle} ${x2} ${middle} ${x2} ${y2}`} />
    ${words && html`<text class="branch" x=${(x1 + x2) / 2 + 6} y=${middle + 4}>${words}</text>`}`;
}

export function Graph({ item, name }) {
  const params = { PipelineExecutionArn: name };
  const live = useLive(
    async () => {
      const [defined, listed] = await Promise.all([
        ask("sagemaker", "DescribePipelineDefinitionForExecution", params),
        ask("sagemaker", "ListPipelineExecutionSteps", { ...params, SortOrder: "Ascending", MaxResults: 100 }),
      ]);
      return { steps: direct(stepsOf(JSON.parse(defined.PipelineDefinition).Steps)), listed: listed.PipelineExecutionSteps };
    },
    [name, item.LastModifiedTime],
    (event) => event.type === "resource" && event.kind === "pipeline-execution" && event.name === name,
  );
  const { steps = [], listed = [] } = live.data || {};
  const found = new Map(listed.map((each) => [each.StepName, each]));
  return html`
    <${Section} title="Graph"><${Notice} error=${live.error} />${steps.length > 0 && html`<${Drawing} steps=${steps} found=${found} />`}<//>
    <${Section} title="Steps">${listed.length > 0 && html`<${Table} caption="Steps" columns=${COLUMNS} rows=${listed} rowKey=${(row) => row.StepName} />`}<//>`;
}

function Drawing({ steps, found }) {
  const { places, wide, high } = placed(steps);
  const lines = steps.flatMap((step) =>
    step.needs.filter(([name]) => places.has(name)).map(([name, words]) => ({ step, name, words })),
  );
  return html`
    <div class="scroll"><svg class="graph" viewBox=${`0 0 ${wide} ${high}`} style=${{ maxWidth: `${wide}px` }} role="img" aria-label="The steps of the pipeline">
      ${lines.map(
        ({ step, name, words }) => html`
        <${Line} key=${`${name} ${step.name}`} from=${places.get(name)} to=${places.get(step.name)} words=${words} taken=${found.has(step.name)} />`,
      )}
      ${steps.map((step) => html`<${Step} key=${step.name} step=${step} place=${places.get(step.name)} found=${found.get(step.name)} />`)}
    </svg></div>`;
}

const result = ({ Metadata = {}, FailureReason }) =>
  FailureReason || (Metadata.Condition && Metadata.Condition.Outcome) || "";
const COLUMNS = [
  [
    "Step",
    (row) => {
      const address = addressOf(arnIn(row.Metadata));
      return address ? html`<a href=${address}>${row.StepName}</a>` : row.StepName;
    },
  ],
  ["Status", (row) => html`<${Status} value=${row.StepStatus} detail=${row.CacheHitResult && "from cache"} />`],
  ["Took", (row) => html`<${Span} from=${row.StartTime} to=${row.EndTime} />`],
  ["Result", (row) => html`<span class="wrap">${result(row)}</span>`],
];
