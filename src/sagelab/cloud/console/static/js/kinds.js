// What the console knows of each kind of resource. The catalog's row says how the API names it, lists it, stops and
// deletes it, and where its log is; that alone makes a list, a page and their actions. Here stands what is more.
//
// title, one: in words. columns: [label, row -> value, sort key of the List operation], before those of every kind.
// facts: description -> [[label, value]], before those of every kind. detail: what a status is told with.
// times: description -> [[status, since, until, message]], where the API gives no SecondaryStatusTransitions.
// sections: sections.js. form: {operation, fields} of the page that makes one (create.js).
// words: what an action will do, by its verb. more: other actions (actions.js). also: kinds whose changes show here.
import { actionsOf, OPEN, RETRY, START, TAKE_AWAY } from "./actions.js";
import { ask } from "./api.js";
import CATALOG from "./catalog.js";
import { html, Span, Status, Time } from "./ui.js";
import { s3Page } from "./format.js";
import { sparkPage } from "./spark.js";

export const roleLink = (arn) =>
  arn && html`<a href=${`/roles/${encodeURIComponent(arn.split("/").pop())}`}>${arn.split("/").pop()}</a>`;
/** A resource's name, or what of its ARN tells it from others. */
export const shortOf = (name) => (name.startsWith("arn:") ? name.split("/").slice(1).join("/") : name);
export const link = (kind, name) =>
  name && html`<a href=${`/${kind}/${encodeURIComponent(name)}`}>${shortOf(name)}</a>`;
export const s3Link = (uri) => uri && html`<a class="wrap" href=${s3Page(uri)}>${uri}</a>`;
const image = (uri) => uri && html`<span class="wrap" title=${uri}>${uri.split("/").pop()}</span>`;
const when = (value) => value && html`<${Time} value=${value} />`;
const seconds = (value) => (value === undefined ? undefined : `${value.toLocaleString()} s`);

function savings(job) {
  const { TrainingTimeInSeconds: training, BillableTimeInSeconds: billed } = job;
  if (!job.EnableManagedSpotTraining || !training || billed === undefined) return undefined;
  return `${Math.round((1 - billed / training) * 100)} %`;
}

/** Where a processing job's Spark application logs its events, by the arguments of the job. */
export function sparkPlace({ AppSpecification: { ContainerEntrypoint: first = [], ContainerArguments: more = [] } = {}, ...job }) {
  const words = [...first, ...more];
  const after = (name) => words.includes(name) && words[words.indexOf(name) + 1];
  const folder = after("--local-spark-event-logs-dir");
  const { Outputs = [] } = job.ProcessingOutputConfig || {};
  const output = folder && Outputs.find(({ S3Output }) => S3Output && `${folder}/`.startsWith(S3Output.LocalPath));
  return after("--spark-event-logs-s3-uri") || (output && output.S3Output.S3Uri);
}

const sparkLink = (place) => place && html`<a href=${sparkPage(place)}>its jobs, stages and executors</a>`;

const instances = (cluster) => cluster && `${cluster.InstanceCount} × ${cluster.InstanceType}`;
const compute = (job) =>
  job.ResourceConfig &&
  (job.ResourceConfig.InstanceType
    ? instances(job.ResourceConfig)
    : (job.ResourceConfig.InstanceGroups || []).map(instances).join(", "));

const ACCELERATORS = [
  "ml.eia1.medium",
  "ml.eia1.large",
  "ml.eia1.xlarge",
  "ml.eia2.medium",
  "ml.eia2.large",
  "ml.eia2.xlarge",
].map((each) => [each]);
// Those that let SageMaker take them on.
const roles = async () =>
  (await ask("iam", "ListRoles", { MaxItems: 1000 })).Roles.filter((role) =>
    JSON.stringify(role.AssumeRolePolicyDocument).includes("sagemaker.amazonaws.com"),
  ).map((role) => [role.Arn, role.RoleName]);
const lifecycleConfigs = async () =>
  (
    await ask("sagemaker", "ListNotebookInstanceLifecycleConfigs", { MaxResults: 100 })
  ).NotebookInstanceLifecycleConfigs.map((each) => [each.NotebookInstanceLifecycleConfigName]);

// By their stems, in the order of the menu; a kind that has nothing special comes after them.
const SPECIAL = {
  NotebookInstance: {
    form: {
      operation: "CreateNotebookInstance",
      fields: [
        { member: "NotebookInstanceName", label: "Name", required: true },
        { member: "InstanceType", label: "Instance type", value: "ml.t3.medium", required: true },
        { member: "RoleArn", label: "Execution role", required: true, options: roles },
        {
          member: "AcceleratorTypes",
          label: "Elastic Inference accelerator",
          options: () => ACCELERATORS,
          read: (value) => [value],
          note: "The course names one; AWS gives none to new customers since April 2023.",
        },
        {
          member: "NotebookInstanceLifecycleConfigName",
          label: "Lifecycle configuration",
          options: lifecycleConfigs,
        },
        {
          member: "DirectInternetAccess",
          label: "Direct internet access",
          required: true,
          value: "Enabled",
          options: () => [["Enabled"], ["Disabled"]],
          note: "Disabled really cuts the network; it needs a subnet.",
        },
        { member: "SubnetId", label: "Subnet", note: "subnet-..., of your VPC; with it goes a security group." },
        { member: "SecurityGroupIds", label: "Security group", read: (value) => [value] },
      ],
    },
    columns: [["Instance", (row) => row.InstanceType]],
    facts: (notebook) => [
      ["Instance", notebook.InstanceType],
      ["Accelerators", (notebook.AcceleratorTypes || []).join(", ")],
      ["Internet access", notebook.DirectInternetAccess],
      [
        "Lifecycle configuration",
        link("lifecycle-configurations", notebook.NotebookInstanceLifecycleConfigName),
      ],
    ],
    words: {
      Start: "The instance starts with the files it had; it is billed from now on.",
      Stop: "Its kernels end and what they have in memory is lost. Files under /home/ec2-user/SageMaker stay.",
      Delete: "The instance and all files on it go, and cannot be brought back.",
    },
    more: [OPEN],
  },
  NotebookInstanceLifecycleConfig: {
    facts: () => [],
    sections: ["scripts"],
    words: { Delete: "The scripts go. A configuration that an instance has cannot be deleted." },
  },
  ProcessingJob: {
    facts: (job) => [
      ["Instances", instances((job.ProcessingResources || {}).ClusterConfig)],
      ["Exit message", job.ExitMessage],
      ["Spark application", sparkLink(sparkPlace(job))],
      ["Image", image((job.AppSpecification || {}).ImageUri)],
      ...((job.ProcessingOutputConfig || {}).Outputs || []).map((output) => [
        `Output ${output.OutputName}`,
        s3Link((output.S3Output || {}).S3Uri),
      ]),
    ],
    words: {
      Stop: "Its container gets SIGTERM and two minutes to end; then it is killed.",
      Delete: "The job's record goes. Its log and what it wrote to S3 stay.",
    },
  },
  TrainingJob: {
    detail: (row) => row.SecondaryStatus,
    facts: (job) => [
      ["Instances", compute(job)],
      ["Training time", seconds(job.TrainingTimeInSeconds)],
      ["Billable time", seconds(job.BillableTimeInSeconds)],
      ["Spot savings", savings(job)],
      ["Tuning job", link("tuning-jobs", job.TuningJobArn && job.TuningJobArn.split("/").pop())],
      ["Image", image((job.AlgorithmSpecification || {}).TrainingImage)],
    ],
    sections: ["metrics", "log"],
    words: {
      Stop: "Its script gets SIGTERM and two minutes to save what it has; then it is killed. What is in /opt/ml/model by then is still uploaded.",
      Delete: "The job's record goes. Its log and its model in S3 stay.",
    },
    more: [TAKE_AWAY],
  },
  HyperParameterTuningJob: {
    also: ["training-job"],
    columns: [
      ["Strategy", (row) => row.Strategy],
      [
        "Jobs",
        (row) => row.TrainingJobStatusCounters && `${row.TrainingJobStatusCounters.Completed ?? 0} completed`,
      ],
    ],
    facts: (job) => {
      const config = job.HyperParameterTuningJobConfig || {};
      const goal = config.HyperParameterTuningJobObjective;
      const counts = job.TrainingJobStatusCounters || {};
      return [
        ["Strategy", config.Strategy],
        ["Objective", goal && `${goal.Type} ${goal.MetricName}`],
        ["Best job", link("training-jobs", job.BestTrainingJob && job.BestTrainingJob.TrainingJobName)],
        [
          "Jobs",
          Object.entries(counts)
            .filter(([, count]) => count)
            .map(([name, count]) => `${count} ${name}`)
            .join(", "),
        ],
        [
          "At most",
          config.ResourceLimits &&
            `${config.ResourceLimits.MaxNumberOfTrainingJobs ?? "any"} jobs, ${config.ResourceLimits.MaxParallelTrainingJobs} at a time`,
        ],
      ];
    },
    sections: ["search"],
    words: {
      Stop: "Its training jobs are stopped; those that have ended stay, and the best of them is the result.",
      Delete: "The tuning job's record goes. Its training jobs stay.",
    },
  },
  CompilationJob: {
    columns: [
      [
        "Target",
        (row) =>
          row.CompilationTargetDevice ||
          [
            row.CompilationTargetPlatformOs,
            row.CompilationTargetPlatformArch,
            row.CompilationTargetPlatformAccelerator,
          ]
            .filter(Boolean)
            .join(" "),
      ],
    ],
    facts: (job) => [
      [
        "Framework",
        job.InputConfig && [job.InputConfig.Framework, job.InputConfig.FrameworkVersion].filter(Boolean).join(" "),
      ],
      ["Input shape", job.InputConfig && html`<code>${job.InputConfig.DataInputConfig}</code>`],
      [
        "Target",
        job.OutputConfig && (job.OutputConfig.TargetDevice || JSON.stringify(job.OutputConfig.TargetPlatform)),
      ],
    ],
    times: (job) => [
      ["STARTING", job.CreationTime, job.CompilationStartTime],
      ["INPROGRESS", job.CompilationStartTime, job.CompilationEndTime],
      [job.CompilationJobStatus, job.CompilationEndTime, job.CompilationEndTime],
    ],
    words: {
      Stop: "The compiler is ended; there will be no compiled model.",
      Delete: "The job's record goes. The compiled model in S3 stays.",
    },
  },
  Model: {
    facts: (model) => {
      const container = model.PrimaryContainer || {};
      return [
        ["Model data", s3Link(container.ModelDataUrl)],
        ["Image", image(container.Image)],
        ["Containers", model.Containers && model.Containers.length],
      ];
    },
    words: { Delete: "The model goes; its data in S3 stays. Endpoints that serve it go on serving." },
  },
  EndpointConfig: {
    facts: () => [],
    sections: ["variants"],
    words: {
      Delete:
        "The configuration goes. An endpoint that uses it goes on serving, but can no longer be described in full or changed.",
    },
  },
  Endpoint: {
    facts: (endpoint) => [["Configuration", link("endpoint-configurations", endpoint.EndpointConfigName)]],
    sections: ["try", "traffic", "scaling", "variants", "zones", "log"],
    words: {
      Delete:
        "Its servers are ended and its address answers no longer; nothing more is billed. Its configuration and its models stay.",
    },
  },
  InferenceRecommendationsJob: {
    sections: ["advice", "log"],
    facts: (job) => [
      ["Type", job.JobType],
      ["Model", link("models", (job.InputConfig || {}).ModelName)],
      ["Role", roleLink(job.RoleArn)],
    ],
    words: { Stop: "Its endpoints are deleted; what was measured so far stays." },
  },
  MonitoringSchedule: {
    facts: (schedule) => {
      const last = schedule.LastMonitoringExecutionSummary || {};
      const { ScheduleConfig = {}, MonitoringJobDefinitionName: definition } = schedule.MonitoringScheduleConfig;
      const words = schedule.MonitoringType.replace(/(?!^)[A-Z]/, "-$&").toLowerCase(); // "model-bias"
      return [
        ["Type", schedule.MonitoringType],
        ["Endpoint", link("endpoints", schedule.EndpointName)],
        ["Schedule", ScheduleConfig.ScheduleExpression],
        ["Definition", link(`${words}-job-definitions`, definition)],
        ["Last execution", last.MonitoringExecutionStatus],
        ["Its time", when(last.ScheduledTime)],
        ["Its job and report", link("processing-jobs", last.ProcessingJobArn && last.ProcessingJobArn.split("/").pop())],
        ["Why it failed", last.FailureReason],
      ];
    },
    words: { Delete: "The schedule goes. Its executions, their jobs and reports stay." },
  },
  Pipeline: {
    sections: ["parts"],
    facts: (pipeline) => [["Description", pipeline.PipelineDescription]],
    more: [START],
    words: { Delete: "The pipeline goes with all of its executions; their jobs and what these made stay." },
  },
  PipelineExecution: {
    label: (row) => row.PipelineExecutionDisplayName || row.PipelineExecutionArn.split("/").pop(),
    sections: ["graph"],
    facts: (execution) => [
      ["Display name", execution.PipelineExecutionDisplayName],
      ["Version", execution.PipelineVersionId],
      ["Description", execution.PipelineExecutionDescription],
    ],
    more: [RETRY],
    words: { Stop: "Its running jobs are stopped, and no step is started any more." },
  },
  ModelPackageGroup: {
    sections: ["parts"],
    facts: (group) => [["Description", group.ModelPackageGroupDescription]],
    words: { Delete: "The group goes. One that has versions cannot be deleted." },
  },
  ModelPackage: {
    label: (row) => `version ${row.ModelPackageVersion}`,
    told: [["Approval", (row) => row.ModelApprovalStatus]],
    facts: (version) => [
      ["Approval", version.ModelApprovalStatus],
      ["Approval's words", version.ApprovalDescription],
      ["Version", version.ModelPackageVersion],
      ["Description", version.ModelPackageDescription],
    ],
    words: { Delete: "The version goes; its data in S3 and models that were made of it stay." },
  },
  TransformJob: {
    title: "Batch transform jobs",
    one: "batch transform job",
    facts: (job) => [
      ["Model", link("models", job.ModelName)],
      ["Instances", instances(job.TransformResources)],
      ["Batch strategy", job.BatchStrategy],
    ],
    words: { Stop: "Objects that are not through yet are left; answers in S3 stay." },
  },
};

const capital = (text) => text[0].toUpperCase() + text.slice(1);
export const inWords = (member) => capital(member.replace(/(?<=[a-z0-9])(?=[A-Z])/g, " ").toLowerCase());

/** The columns of every kind: when it was made, and how long it took or when it was changed. */
const columnsOf = (row, ended) => [
  ["Created", (item) => when(item.CreationTime), "CreationTime"],
  ...(row.ends_member
    ? [
        [
          "Took",
          (item) =>
            html`<${Span} from=${item.CreationTime} to=${item[row.ends_member] || (ended(item) && item.LastModifiedTime)} />`,
        ],
      ]
    : row.verbs.includes("Update")
      ? [["Changed", (item) => when(item.LastModifiedTime)]]
      : []),
];

const times = (row, item) => [
  ["Created", when(item.CreationTime)],
  row.ends_member ? ["Ended", when(item[row.ends_member])] : ["Changed", when(item.LastModifiedTime)],
  ["Role", roleLink(item.RoleArn || item.ExecutionRoleArn)],
];

/** The plain members of a description that has nothing special. */
function plain(row, item) {
  const told = ["CreationTime", "LastModifiedTime", "RoleArn", "ExecutionRoleArn", "FailureReason"];
  told.push(row.name_member, row.arn_member, row.status_member, row.ends_member);
  return Object.entries(item)
    .filter(([member, value]) => typeof value !== "object" && !told.includes(member))
    .map(([member, value]) => [inWords(member), shown(member, value)]);
}

function shown(member, value) {
  if (member.endsWith("Time")) return when(value);
  return String(value).startsWith("s3://") ? s3Link(value) : String(value);
}

function derive(row) {
  const special = SPECIAL[row.stem] || {};
  const member = row.within ? row.arn_member : row.name_member;
  const name = (item) => item[member] || item[row.listed_as + member];
  const status = (item) => item[row.status_member];
  const ended = (item) => row.ended.includes(status(item));
  const going = row.running.filter((each) => !/stopping/i.test(each));
  const fill = (text, item) => text.replace("{name}", name(item));
  return {
    title: capital(row.plural),
    one: row.noun,
    sections: row.log ? ["log"] : CATALOG.some((each) => each.within === row.stem) ? ["parts"] : [],
    times:
      row.ends_member &&
      ((item) => [
        [going.includes(status(item)) ? status(item) : going.at(-1), item.CreationTime, item[row.ends_member]],
        [status(item), item[row.ends_member], item[row.ends_member]],
      ]),
    ...special,
    path: row.path,
    arn: row.arn,
    stem: row.stem,
    nameMember: row.name_member,
    arnMember: row.arn_member,
    statusMember: row.status_member,
    running: row.running,
    list: { operation: `List${row.stem}s`, items: row.listed, statuses: row.filters.length ? row.filters : null },
    create: row.verbs.includes("Create") && `Create${row.stem}`,
    columns: [...(special.columns || []), ...columnsOf(row, ended)],
    facts: (item) => [...(special.facts ? special.facts(item) : plain(row, item)), ...times(row, item)],
    log: row.log && ((item) => [fill(row.log.group, item), fill(row.log.streams, item)]),
    actions: [...(special.more || []), ...actionsOf(row, special.words)],
    name,
    status,
    within: row.within,
    menu: row.menu,
    listed: (item) => listOf(kindAt(row.path), item),
    label: special.label || name,
    address: (named) => `/${row.path}/${encodeURIComponent(named)}`,
    describe: (named) => [`Describe${row.stem}`, { [row.name_member]: named }],
  };
}

const ORDER = Object.keys(SPECIAL);
const place = (row) => (ORDER.includes(row.stem) ? ORDER.indexOf(row.stem) : ORDER.length);

/** Every kind of the catalog, in the order of the menu. */
export const KINDS = [...CATALOG].sort((a, b) => place(a) - place(b)).map(derive);

const ownerOf = (kind) => KINDS.find((each) => each.stem === kind.within);

/** The kinds of what is a part of a kind. */
export const partsOf = (kind) => KINDS.filter((each) => each.within === kind.stem);

/** Where a resource is listed: [address, title]; what is a part of another is on that one's page. */
export function listOf(kind, item) {
  const owner = ownerOf(kind);
  const named = owner && item && (item[owner.nameMember] || (item[owner.arnMember] || "").split("/").pop());
  return named ? [owner.address(named), named] : [`/${(owner || kind).path}`, (owner || kind).title];
}

/** The page of a resource by its ARN, where its kind has pages. */
export function addressOf(arn) {
  const [, , , , , resource = ""] = (arn || "").split(":");
  const [word, ...rest] = resource.split("/");
  const kind = KINDS.find((each) => each.arn === word);
  return kind && kind.address(kind.within && rest.length > 1 ? arn : rest.join("/"));
}

export const kindAt = (path) => KINDS.find((kind) => kind.path === path);
export const statusCell = (kind, item) =>
  html`<${Status} value=${kind.status(item)} detail=${kind.detail && tonedDetail(kind, item)} />`;

function tonedDetail(kind, item) {
  return kind.status(item) === "InProgress" ? kind.detail(item) : undefined;
}
