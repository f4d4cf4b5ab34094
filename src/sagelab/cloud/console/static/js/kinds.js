// What the console knows of each kind of resource: how the API lists and describes it, what is shown, what can be done.
//
// stem: of which the API makes TrainingJobName, TrainingJobArn, TrainingJobStatus. arn: the kind in an ARN.
// columns: [label, row -> value, sort key of the List operation]. facts: description -> [[label, value]].
// times: description -> [[status, since, until, message]], where the API gives no SecondaryStatusTransitions.
// form: {operation, fields} of the page that makes one (create.js).
// log: description -> [group, prefix of the streams' names]. actions: see actions.js.
import { ask } from "./api.js";
import { html, Span, Status, Time } from "./ui.js";
import { s3Page } from "./format.js";

export const roleLink = (arn) =>
  arn && html`<a href=${`/roles/${encodeURIComponent(arn.split("/").pop())}`}>${arn.split("/").pop()}</a>`;
export const link = (kind, name) => name && html`<a href=${`/${kind}/${encodeURIComponent(name)}`}>${name}</a>`;
export const s3Link = (uri) => uri && html`<a class="wrap" href=${s3Page(uri)}>${uri}</a>`;
const image = (uri) => uri && html`<span class="wrap" title=${uri}>${uri.split("/").pop()}</span>`;
const when = (value) => value && html`<${Time} value=${value} />`;
const seconds = (value) => (value === undefined ? undefined : `${value.toLocaleString()} s`);
const running =
  (...statuses) =>
  (found, status) =>
    statuses.includes(status);
const ended = running("Completed", "Failed", "Stopped", "COMPLETED", "FAILED", "STOPPED");

// Of a job that the API tells two times of: its creation, and its end by the name of the member that has it.
const createdAndTook = (end) => [
  ["Created", (row) => when(row.CreationTime), "CreationTime"],
  ["Took", (row) => html`<${Span} from=${row.CreationTime} to=${row[end]} />`],
];
const untilItsEnd = (stem, end) => (job) => [
  ["InProgress", job.CreationTime, job[end]],
  [job[`${stem}Status`], job[end], job[end]],
];

const JOB_STATUSES = ["InProgress", "Completed", "Failed", "Stopping", "Stopped"];

function savings(job) {
  const { TrainingTimeInSeconds: training, BillableTimeInSeconds: billed } = job;
  if (!job.EnableManagedSpotTraining || !training || billed === undefined) return undefined;
  return `${Math.round((1 - billed / training) * 100)} %`;
}

const instances = (cluster) => cluster && `${cluster.InstanceCount} × ${cluster.InstanceType}`;
const compute = (job) =>
  job.ResourceConfig &&
  (job.ResourceConfig.InstanceType
    ? instances(job.ResourceConfig)
    : (job.ResourceConfig.InstanceGroups || []).map(instances).join(", "));

const trainingJobs = {
  path: "training-jobs",
  title: "Training jobs",
  one: "training job",
  stem: "TrainingJob",
  arn: "training-job",
  list: { operation: "ListTrainingJobs", items: "TrainingJobSummaries", statuses: JOB_STATUSES },
  create: "CreateTrainingJob",
  columns: [
    ["Created", (row) => when(row.CreationTime), "CreationTime"],
    [
      "Took",
      (row) =>
        html`<${Span} from=${row.CreationTime} to=${row.TrainingEndTime || (ended(row, row.TrainingJobStatus) && row.LastModifiedTime)} />`,
    ],
  ],
  detail: (row) => row.SecondaryStatus,
  facts: (job) => [
    ["Instances", compute(job)],
    ["Created", when(job.CreationTime)],
    ["Ended", when(job.TrainingEndTime)],
    ["Training time", seconds(job.TrainingTimeInSeconds)],
    ["Billable time", seconds(job.BillableTimeInSeconds)],
    ["Spot savings", savings(job)],
    ["Role", roleLink(job.RoleArn)],
    ["Tuning job", link("tuning-jobs", job.TuningJobArn && job.TuningJobArn.split("/").pop())],
    ["Image", image((job.AlgorithmSpecification || {}).TrainingImage)],
  ],
  sections: ["metrics", "log"],
  log: (job) => ["/aws/sagemaker/TrainingJobs", `${job.TrainingJobName}/`],
  actions: ["stop-training-job", "interrupt-training-job", "delete-training-job"],
};

const tuningJobs = {
  path: "tuning-jobs",
  title: "Tuning jobs",
  one: "tuning job",
  stem: "HyperParameterTuningJob",
  arn: "hyper-parameter-tuning-job",
  also: ["training-job"],
  list: {
    operation: "ListHyperParameterTuningJobs",
    items: "HyperParameterTuningJobSummaries",
    statuses: [...JOB_STATUSES, "Deleting", "DeleteFailed"],
  },
  create: "CreateHyperParameterTuningJob",
  columns: [
    ["Strategy", (row) => row.Strategy],
    [
      "Jobs",
      (row) => row.TrainingJobStatusCounters && `${row.TrainingJobStatusCounters.Completed ?? 0} completed`,
    ],
    ...createdAndTook("HyperParameterTuningEndTime"),
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
      ["Created", when(job.CreationTime)],
      ["Ended", when(job.HyperParameterTuningEndTime)],
    ];
  },
  times: untilItsEnd("HyperParameterTuningJob", "HyperParameterTuningEndTime"),
  sections: ["search"],
  actions: ["stop-tuning-job", "delete-tuning-job"],
};

const compilationJobs = {
  path: "compilation-jobs",
  title: "Compilation jobs",
  one: "compilation job",
  stem: "CompilationJob",
  arn: "compilation-job",
  list: {
    operation: "ListCompilationJobs",
    items: "CompilationJobSummaries",
    statuses: ["INPROGRESS", "COMPLETED", "FAILED", "STARTING", "STOPPING", "STOPPED"],
  },
  create: "CreateCompilationJob",
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
    ["Created", (row) => when(row.CreationTime), "CreationTime"],
    ["Took", (row) => html`<${Span} from=${row.CompilationStartTime} to=${row.CompilationEndTime} />`],
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
    ["Created", when(job.CreationTime)],
    ["Ended", when(job.CompilationEndTime)],
    ["Role", roleLink(job.RoleArn)],
  ],
  times: (job) => [
    ["STARTING", job.CreationTime, job.CompilationStartTime],
    ["INPROGRESS", job.CompilationStartTime, job.CompilationEndTime],
    [job.CompilationJobStatus, job.CompilationEndTime, job.CompilationEndTime],
  ],
  sections: ["log"],
  log: (job) => ["/aws/sagemaker/CompilationJobs", job.CompilationJobName],
  actions: ["stop-compilation-job", "delete-compilation-job"],
};

const processingJobs = {
  path: "processing-jobs",
  title: "Processing jobs",
  one: "processing job",
  stem: "ProcessingJob",
  arn: "processing-job",
  list: { operation: "ListProcessingJobs", items: "ProcessingJobSummaries", statuses: JOB_STATUSES },
  create: "CreateProcessingJob",
  columns: createdAndTook("ProcessingEndTime"),
  facts: (job) => [
    ["Instances", instances((job.ProcessingResources || {}).ClusterConfig)],
    ["Created", when(job.CreationTime)],
    ["Ended", when(job.ProcessingEndTime)],
    ["Exit message", job.ExitMessage],
    ["Role", roleLink(job.RoleArn)],
    ["Image", image((job.AppSpecification || {}).ImageUri)],
  ],
  times: untilItsEnd("ProcessingJob", "ProcessingEndTime"),
  sections: ["log"],
  log: (job) => ["/aws/sagemaker/ProcessingJobs", `${job.ProcessingJobName}/`],
  actions: ["stop-processing-job", "delete-processing-job"],
};

const transformJobs = {
  path: "transform-jobs",
  title: "Batch transform jobs",
  one: "batch transform job",
  stem: "TransformJob",
  arn: "transform-job",
  list: { operation: "ListTransformJobs", items: "TransformJobSummaries", statuses: JOB_STATUSES },
  create: "CreateTransformJob",
  columns: createdAndTook("TransformEndTime"),
  facts: (job) => [
    ["Model", link("models", job.ModelName)],
    ["Instances", instances(job.TransformResources)],
    ["Batch strategy", job.BatchStrategy],
    ["Created", when(job.CreationTime)],
    ["Ended", when(job.TransformEndTime)],
  ],
  times: untilItsEnd("TransformJob", "TransformEndTime"),
  sections: ["log"],
  log: (job) => ["/aws/sagemaker/TransformJobs", `${job.TransformJobName}/`],
  actions: ["stop-transform-job"],
};

const models = {
  path: "models",
  title: "Models",
  one: "model",
  stem: "Model",
  arn: "model",
  list: { operation: "ListModels", items: "Models" },
  create: "CreateModel",
  columns: [["Created", (row) => when(row.CreationTime), "CreationTime"]],
  facts: (model) => {
    const container = model.PrimaryContainer || {};
    return [
      ["Created", when(model.CreationTime)],
      ["Model data", s3Link(container.ModelDataUrl)],
      ["Image", image(container.Image)],
      ["Containers", model.Containers && model.Containers.length],
      ["Role", roleLink(model.ExecutionRoleArn)],
    ];
  },
  sections: [],
  actions: ["delete-model"],
};

const endpointConfigs = {
  path: "endpoint-configurations",
  title: "Endpoint configurations",
  one: "endpoint configuration",
  stem: "EndpointConfig",
  arn: "endpoint-config",
  list: { operation: "ListEndpointConfigs", items: "EndpointConfigs" },
  create: "CreateEndpointConfig",
  columns: [["Created", (row) => when(row.CreationTime), "CreationTime"]],
  facts: (config) => [["Created", when(config.CreationTime)]],
  sections: ["variants"],
  actions: ["delete-endpoint-config"],
};

const endpoints = {
  path: "endpoints",
  title: "Endpoints",
  one: "endpoint",
  stem: "Endpoint",
  arn: "endpoint",
  list: {
    operation: "ListEndpoints",
    items: "Endpoints",
    statuses: [
      "InService",
      "Creating",
      "Updating",
      "Failed",
      "Deleting",
      "SystemUpdating",
      "RollingBack",
      "OutOfService",
    ],
  },
  create: "CreateEndpoint",
  columns: [
    ["Created", (row) => when(row.CreationTime), "CreationTime"],
    ["Changed", (row) => when(row.LastModifiedTime)],
  ],
  facts: (endpoint) => [
    ["Configuration", link("endpoint-configurations", endpoint.EndpointConfigName)],
    ["Created", when(endpoint.CreationTime)],
    ["Changed", when(endpoint.LastModifiedTime)],
  ],
  sections: ["try", "traffic", "variants", "log"],
  log: (endpoint) => [`/aws/sagemaker/Endpoints/${endpoint.EndpointName}`, ""],
  actions: ["delete-endpoint"],
};

const ACCELERATORS = [
  "ml.eia1.medium",
  "ml.eia1.large",
  "ml.eia1.xlarge",
  "ml.eia2.medium",
  "ml.eia2.large",
  "ml.eia2.xlarge",
].map((each) => [each]);
const roles = async () =>
  (await ask("iam", "ListRoles", { MaxItems: 1000 })).Roles.map((role) => [role.Arn, role.RoleName]);
const lifecycleConfigs = async () =>
  (
    await ask("sagemaker", "ListNotebookInstanceLifecycleConfigs", { MaxResults: 100 })
  ).NotebookInstanceLifecycleConfigs.map((each) => [each.NotebookInstanceLifecycleConfigName]);

const notebookInstances = {
  path: "notebook-instances",
  title: "Notebook instances",
  one: "notebook instance",
  stem: "NotebookInstance",
  arn: "notebook-instance",
  list: {
    operation: "ListNotebookInstances",
    items: "NotebookInstances",
    statuses: ["InService", "Pending", "Stopping", "Stopped", "Updating", "Failed", "Deleting"],
  },
  create: "CreateNotebookInstance",
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
  columns: [
    ["Instance", (row) => row.InstanceType],
    ["Created", (row) => when(row.CreationTime), "CreationTime"],
  ],
  facts: (notebook) => [
    ["Instance", notebook.InstanceType],
    ["Accelerators", (notebook.AcceleratorTypes || []).join(", ")],
    ["Internet access", notebook.DirectInternetAccess],
    [
      "Lifecycle configuration",
      link("lifecycle-configurations", notebook.NotebookInstanceLifecycleConfigName),
    ],
    ["Created", when(notebook.CreationTime)],
    ["Changed", when(notebook.LastModifiedTime)],
    ["Role", roleLink(notebook.RoleArn)],
  ],
  sections: ["log"],
  log: (notebook) => ["/aws/sagemaker/NotebookInstances", notebook.NotebookInstanceName],
  actions: [
    "open-notebook-instance",
    "start-notebook-instance",
    "stop-notebook-instance",
    "delete-notebook-instance",
  ],
};

const lifecycleConfigurations = {
  path: "lifecycle-configurations",
  title: "Lifecycle configurations",
  one: "lifecycle configuration",
  stem: "NotebookInstanceLifecycleConfig",
  arn: "notebook-instance-lifecycle-config",
  list: { operation: "ListNotebookInstanceLifecycleConfigs", items: "NotebookInstanceLifecycleConfigs" },
  create: "CreateNotebookInstanceLifecycleConfig",
  columns: [
    ["Created", (row) => when(row.CreationTime), "CreationTime"],
    ["Changed", (row) => when(row.LastModifiedTime)],
  ],
  facts: (config) => [
    ["Created", when(config.CreationTime)],
    ["Changed", when(config.LastModifiedTime)],
  ],
  sections: ["scripts"],
  actions: ["delete-lifecycle-config"],
};

/** Every kind that SageMaker's API lists, in the order of the menu. */
export const KINDS = [
  notebookInstances,
  lifecycleConfigurations,
  processingJobs,
  trainingJobs,
  tuningJobs,
  compilationJobs,
  models,
  endpointConfigs,
  endpoints,
  transformJobs,
].map((kind) => ({
  ...kind,
  name: (item) => item[`${kind.stem}Name`],
  status: (item) => item[`${kind.stem}Status`],
  address: (name) => `/${kind.path}/${encodeURIComponent(name)}`,
  describe: (name) => [`Describe${kind.stem}`, { [`${kind.stem}Name`]: name }],
}));

export const kindAt = (path) => KINDS.find((kind) => kind.path === path);
export const statusCell = (kind, item) =>
  html`<${Status} value=${kind.status(item)} detail=${kind.detail && tonedDetail(kind, item)} />`;

function tonedDetail(kind, item) {
  return running("InProgress")(item, kind.status(item)) ? kind.detail(item) : undefined;
}
