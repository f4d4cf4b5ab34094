// What can be done to a resource, each after a question that names what it will do.
import { ask, commandOf } from "./api.js";
import { go } from "./router.js";
import { Command, html, Notice, useEffect, useRef, useState } from "./ui.js";

const isOneOf =
  (...statuses) =>
  (status) =>
    statuses.includes(status);
const isRunning = isOneOf("InProgress", "STARTING", "INPROGRESS");
const hasEnded = isOneOf("Completed", "Failed", "Stopped", "COMPLETED", "FAILED", "STOPPED");
const byName = (stem) => (item) => ({ [`${stem}Name`]: item[`${stem}Name`] });
const deletes = (stem, what, when = () => true) => ({
  label: "Delete",
  danger: true,
  operation: `Delete${stem}`,
  params: byName(stem),
  when,
  leave: true,
  what,
});
const stops = (stem, what, when = isRunning) => ({
  label: "Stop",
  operation: `Stop${stem}`,
  params: byName(stem),
  when,
  what,
});

// operation and params: the call. when: (status, item) -> whether it can be done. what: what it will do, in words.
// leave: the page goes back to the list. open: answer -> the address to open in a tab of its own.
export const ACTIONS = {
  "stop-training-job": stops(
    "TrainingJob",
    "Its script gets SIGTERM and two minutes to save what it has; then it is killed. What is in /opt/ml/model by then is still uploaded.",
  ),
  "interrupt-training-job": {
    label: "Take spot capacity away",
    operation: "AddTags",
    params: (job) => ({
      ResourceArn: job.TrainingJobArn,
      Tags: [{ Key: "sagelab:spot-interrupt", Value: "now" }],
    }),
    when: (status, job) => status === "InProgress" && job.EnableManagedSpotTraining,
    what: "As when AWS needs the instance back: the script is interrupted, and the job starts again from its last checkpoint, or from the beginning where it keeps none.",
  },
  "delete-training-job": deletes(
    "TrainingJob",
    "The job's record goes. Its log and its model in S3 stay.",
    hasEnded,
  ),
  "stop-tuning-job": stops(
    "HyperParameterTuningJob",
    "Its training jobs are stopped; those that have ended stay, and the best of them is the result.",
  ),
  "delete-tuning-job": deletes(
    "HyperParameterTuningJob",
    "The tuning job's record goes. Its training jobs stay.",
    hasEnded,
  ),
  "stop-compilation-job": stops("CompilationJob", "The compiler is ended; there will be no compiled model."),
  "delete-compilation-job": deletes(
    "CompilationJob",
    "The job's record goes. The compiled model in S3 stays.",
    hasEnded,
  ),
  "stop-processing-job": stops(
    "ProcessingJob",
    "Its container gets SIGTERM and two minutes to end; then it is killed.",
  ),
  "delete-processing-job": deletes(
    "ProcessingJob",
    "The job's record goes. Its log and what it wrote to S3 stay.",
    hasEnded,
  ),
  "stop-transform-job": stops("TransformJob", "Objects that are not through yet are left; answers in S3 stay."),
  "delete-lifecycle-config": deletes(
    "NotebookInstanceLifecycleConfig",
    "The scripts go. A configuration that an instance has cannot be deleted.",
  ),
  "delete-model": deletes("Model", "The model goes; its data in S3 stays. Endpoints that serve it go on serving."),
  "delete-endpoint-config": deletes(
    "EndpointConfig",
    "The configuration goes. An endpoint that uses it goes on serving, but can no longer be described in full or changed.",
  ),
  "delete-endpoint": deletes(
    "Endpoint",
    "Its servers are ended and its address answers no longer; nothing more is billed. Its configuration and its models stay.",
    isOneOf("InService", "Failed", "OutOfService"),
  ),
  "open-notebook-instance": {
    label: "Open JupyterLab",
    primary: true,
    operation: "CreatePresignedNotebookInstanceUrl",
    params: byName("NotebookInstance"),
    when: isOneOf("InService"),
    open: (answer) => answer.AuthorizedUrl,
  },
  "start-notebook-instance": {
    ...stops(
      "NotebookInstance",
      "The instance starts with the files it had; it is billed from now on.",
      isOneOf("Stopped", "Failed"),
    ),
    label: "Start",
    operation: "StartNotebookInstance",
  },
  "stop-notebook-instance": stops(
    "NotebookInstance",
    "Its kernels end and what they have in memory is lost. Files under /home/ec2-user/SageMaker stay.",
    isOneOf("InService"),
  ),
  "delete-notebook-instance": deletes(
    "NotebookInstance",
    "The instance and all files on it go, and cannot be brought back.",
    isOneOf("Stopped", "Failed"),
  ),
};

/** The buttons of a resource's page. */
export function Actions({ kind, item, changed }) {
  const [asked, askFor] = useState(null);
  const status = kind.status(item);
  const possible = kind.actions.map((name) => ACTIONS[name]).filter((action) => action.when(status, item));
  return html`
    <div class="actions">
      ${possible.map(
        (action) => html`
        <button key=${action.label} type="button" class=${action.danger ? "danger" : action.primary ? "primary" : ""}
          onClick=${() => askFor(action)}>${action.label}</button>`,
      )}
    </div>
    ${
      asked &&
      html`<${Question} kind=${kind} item=${item} action=${asked} close=${(did) => {
        askFor(null);
        if (did && asked.leave) go(`/${kind.path}`);
        else if (did) changed();
      }} />`
    }`;
}

/** Asks before anything is done; the same for an object of S3, with a `kind` of its own. */
export function Question({ kind, item, action, close }) {
  const [error, fail] = useState(null);
  const [busy, setBusy] = useState(false);
  const [command, setCommand] = useState("");
  const dialog = useRef();
  const name = kind.name(item);
  const service = action.service || "sagemaker";
  const params = action.params(item);
  useEffect(() => {
    dialog.current.showModal();
    commandOf(service, action.operation, params).then(setCommand, fail);
  }, []);
  const act = async () => {
    setBusy(true);
    const tab = action.open && window.open("about:blank", "_blank");
    try {
      const answer = await ask(service, action.operation, params);
      if (tab) {
        tab.opener = null;
        tab.location = action.open(answer);
      }
      close(true);
    } catch (refused) {
      if (tab) tab.close();
      fail(refused);
      setBusy(false);
    }
  };
  return html`
    <dialog ref=${dialog} onClose=${() => close(false)} aria-labelledby="question">
      <h2 id="question">${action.label} ${kind.one} <span class="wrap">${name}</span>?</h2>
      ${action.what && html`<p>${action.what}</p>`}
      <${Command} text=${command} />
      <${Notice} error=${error} />
      <div class="actions end">
        <button type="button" onClick=${() => dialog.current.close()}>Cancel</button>
        <button type="button" class=${action.danger ? "danger solid" : "primary"} disabled=${busy} onClick=${act}>${action.label}</button>
      </div>
    </dialog>`;
}
